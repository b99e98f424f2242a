-- Extensions in public, in a schema of their own, with comments of the user's, with types in tables, with tables of
-- settings. Each only where the server has it; what isn't on both servers is skipped by the tests.
CREATE SCHEMA "ext's own";
CREATE SCHEMA extended;
CREATE EXTENSION hstore SCHEMA "ext's own";
CREATE EXTENSION citext SCHEMA public;
CREATE EXTENSION pg_trgm;
CREATE EXTENSION btree_gist SCHEMA extended;
CREATE EXTENSION ltree;
CREATE EXTENSION intarray;
CREATE EXTENSION cube;
CREATE EXTENSION earthdistance;
CREATE EXTENSION unaccent;
CREATE EXTENSION pg_stat_statements;
COMMENT ON EXTENSION hstore IS 'a comment of the user''s own';
CREATE TABLE extended.uses (id int PRIMARY KEY, h "ext's own".hstore, c public.citext UNIQUE, l public.ltree, cu public.cube, hs "ext's own".hstore[]);
INSERT INTO extended.uses VALUES (1, 'a=>1, b=>NULL, "c d"=>""', 'MiXed', 'Top.Science', '(1,2),(3,4)', '{}'), (2, '', 'mixed2', '', NULL, ARRAY['x=>y'::"ext's own".hstore, NULL]);
CREATE INDEX uses_trgm ON extended.uses USING gin ((c::text) public.gin_trgm_ops);
CREATE INDEX uses_gist ON extended.uses USING gist (id extended.gist_int4_ops, l);
CREATE INDEX uses_hstore ON extended.uses USING gin (h);
CREATE TABLE extended.excluded (room int, during daterange, EXCLUDE USING gist (room extended.gist_int4_ops WITH =, during WITH &&));
INSERT INTO extended.excluded VALUES (1, '[2020-01-01,2020-01-02)'), (2, '[2020-01-01,2020-01-02)');
