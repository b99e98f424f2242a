-- depends: 0011.state_schema
-- What a deploy that does not start goes back to. New tables only: a former version does not know them.

-- The dynos that served before a change began; there until the change has ended, well or not.
CREATE TABLE state.former_dynos (
    app_id uuid NOT NULL REFERENCES state.apps ON DELETE CASCADE,
    name text NOT NULL,
    type text NOT NULL,
    port integer,
    release integer NOT NULL,
    restarts integer NOT NULL,
    is_stopped boolean NOT NULL,
    stopped_at timestamptz,
    PRIMARY KEY (app_id, name)
);

-- Releases whose web dynos did not listen in time.
CREATE TABLE state.boot_failures (
    release_id uuid PRIMARY KEY REFERENCES state.releases ON DELETE CASCADE,
    said text NOT NULL
);

-- Releases that the platform made by itself, such as for a database that moved: dynos must take them.
CREATE TABLE state.required_releases (
    release_id uuid PRIMARY KEY REFERENCES state.releases ON DELETE CASCADE
);
