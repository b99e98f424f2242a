-- Things that name others without their schema and work only while search_path finds them.
CREATE SCHEMA paths;
CREATE FUNCTION paths.normal(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT lower(t) $$;
CREATE FUNCTION paths.found_by_path(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN normal(t) || '!'; END $$;
ALTER FUNCTION paths.found_by_path(text) SET search_path = paths, pg_temp;
CREATE TABLE paths.people (id int PRIMARY KEY, name text, shout text GENERATED ALWAYS AS (paths.found_by_path(name)) STORED,
  CHECK (paths.found_by_path(name) <> 'nobody!'));
INSERT INTO paths.people (id, name) SELECT g, 'Name ' || g FROM generate_series(1, 30) g;
CREATE INDEX people_found ON paths.people (paths.found_by_path(name));
CREATE INDEX people_by_name ON paths.people (name);
ALTER TABLE paths.people CLUSTER ON people_by_name;
CREATE MATERIALIZED VIEW paths.shouts AS SELECT id, paths.found_by_path(name) AS s FROM paths.people;
CREATE UNIQUE INDEX ON paths.shouts (id);
CREATE VIEW paths.through_view AS SELECT count(*) AS n FROM paths.shouts;
CREATE FUNCTION paths.reads_table() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM paths.people';
CREATE MATERIALIZED VIEW paths.depends_on_function AS SELECT paths.reads_table() AS n;
CREATE MATERIALIZED VIEW paths.on_matview AS SELECT max(s) AS s FROM paths.shouts;
CREATE MATERIALIZED VIEW paths.on_view AS SELECT n FROM paths.through_view;
CREATE MATERIALIZED VIEW paths.never_filled AS SELECT 1 AS one WITH NO DATA;
