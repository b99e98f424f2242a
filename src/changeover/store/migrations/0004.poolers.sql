-- depends: 0002.processes
-- Poolers: the processes through which apps reach a database by an address that stays the same wherever it leads.

CREATE TABLE poolers (
    name text PRIMARY KEY,
    host text NOT NULL,
    address text NOT NULL,
    port integer NOT NULL,
    folder text NOT NULL,
    socket_directory text NOT NULL,
    addon_id uuid NOT NULL REFERENCES addons ON DELETE CASCADE,
    leads_since timestamptz NOT NULL DEFAULT now(),
    trouble text,
    UNIQUE (host, port)
);
CREATE INDEX poolers_addon ON poolers (addon_id);
COMMENT ON TABLE poolers IS 'One that has no row is removed by who keeps them alive';
COMMENT ON COLUMN poolers.addon_id IS 'The database that it leads to now; a changeover moves it';
COMMENT ON COLUMN poolers.leads_since IS 'Of several that lead to one database, the newest is the one whose URL is given out';
COMMENT ON COLUMN poolers.trouble IS 'Why it does not run although it should, as last seen by who keeps it alive';
