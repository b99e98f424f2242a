-- depends: 0006.stopped_dynos
-- Adopted databases: their servers are run by somebody else, on no host of ours, and are known by an address.

ALTER TABLE servers ALTER COLUMN host DROP NOT NULL;
ALTER TABLE servers ALTER COLUMN bin_directory DROP NOT NULL;
ALTER TABLE servers ALTER COLUMN data_directory DROP NOT NULL;
ALTER TABLE servers ALTER COLUMN socket_directory DROP NOT NULL;
ALTER TABLE servers ADD COLUMN parameters bytea;
ALTER TABLE servers ADD COLUMN system_identifier text;
ALTER TABLE servers ADD CONSTRAINT servers_ours_have_a_place CHECK (
    engine = 'external'
    OR (host IS NOT NULL AND bin_directory IS NOT NULL AND data_directory IS NOT NULL AND socket_directory IS NOT NULL)
);
ALTER TABLE servers ADD CONSTRAINT servers_external_is_not_ours CHECK (
    engine <> 'external' OR (host IS NULL AND NOT is_wanted AND NOT is_shared)
);
COMMENT ON COLUMN servers.host IS 'The machine of ours that runs it; null: somebody else does, and nobody here keeps it alive or stops it';
COMMENT ON COLUMN servers.parameters IS 'What its address says beyond host, port, user, password and database (TLS and so on), encrypted; null for ours';
COMMENT ON COLUMN servers.system_identifier IS 'Of somebody else''s, where it was readable: it shows a database that comes by a second address';

DROP VIEW databases_seen;
CREATE VIEW databases_seen AS
SELECT databases.*, addons.name AS addon_name, addons.app_id, addons.plan, addons.state, addons.created_at AS addon_created_at,
       servers.address, servers.port, servers.is_shared, servers.trouble, servers.engine, servers.parameters
  FROM databases
  JOIN addons ON addons.id = databases.addon_id
  JOIN servers ON servers.name = databases.server_name;
