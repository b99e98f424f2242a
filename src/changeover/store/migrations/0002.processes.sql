-- depends: 0001.foundation
-- What apps run: code that was deployed, the formation of its processes, and what the router knows.

CREATE TABLE slugs (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    process_types jsonb NOT NULL,
    directory text NOT NULL,
    bytes bigint NOT NULL,
    checksum text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN slugs.process_types IS 'The Procfile as a list of [type, command], in its order';

ALTER TABLE releases ADD COLUMN slug_id uuid REFERENCES slugs;
ALTER TABLE releases ADD COLUMN environment bytea;
ALTER TABLE releases ADD COLUMN output_key text UNIQUE;
COMMENT ON COLUMN releases.environment IS 'All config vars at that moment, encrypted: what its dynos get';
COMMENT ON COLUMN releases.output_key IS 'Unguessable: who knows it may read the output of the release phase';

CREATE TABLE formation (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    type text NOT NULL,
    quantity integer NOT NULL CHECK (quantity >= 0),
    size text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app_id, type)
);

CREATE TABLE dynos (
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    name text NOT NULL,
    type text NOT NULL,
    port integer,
    release integer NOT NULL,
    restarts integer NOT NULL DEFAULT 0,
    is_stopped boolean NOT NULL DEFAULT false,
    PRIMARY KEY (app_id, name)
);
COMMENT ON TABLE dynos IS 'The processes that should run, as the last convergence wanted them';
COMMENT ON COLUMN dynos.is_stopped IS 'Stopped by hand: until the next release or restart it stays so';

CREATE SEQUENCE dyno_runs;

ALTER TABLE apps ADD COLUMN ports integer[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN apps.ports IS 'The pool of ports that the router knows for its web dynos';

DROP VIEW apps_seen;
CREATE VIEW apps_seen AS
SELECT apps.*, accounts.email AS owner_email, teams.name AS team_name,
       spaces.name AS space_name, spaces.is_shield AS space_is_shield
  FROM apps
  JOIN accounts ON accounts.id = apps.owner_id
  LEFT JOIN teams ON teams.id = apps.team_id
  LEFT JOIN spaces ON spaces.id = apps.space_id;
