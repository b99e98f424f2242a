-- What else there is in a schema: views, functions, operators, types, search, statistics, event triggers, comments.
CREATE SCHEMA objects;
SET search_path = objects, pg_catalog;
CREATE TABLE things (id int PRIMARY KEY, a int, b int, t text, p point, ts tsvector);
INSERT INTO things SELECT g, g % 10, g % 10 * 2, 'thing ' || g, point(g, g), to_tsvector('simple', 'thing ' || g) FROM generate_series(1, 100) g;
CREATE INDEX things_gin ON things USING gin (ts);
CREATE INDEX things_gist ON things USING gist (p) WITH (fillfactor = 70);
CREATE INDEX things_brin ON things USING brin (id) WITH (pages_per_range = 4);
CREATE INDEX things_hash ON things USING hash (t);
CREATE INDEX things_spgist ON things USING spgist (t) WHERE t IS NOT NULL;
CREATE STATISTICS things_ab (dependencies, mcv, ndistinct) ON a, b FROM things;
ALTER TABLE things ALTER a SET STATISTICS 300, SET (fillfactor = 80, autovacuum_enabled = false);
ALTER TABLE things ALTER b SET (n_distinct = -0.5);
CREATE COLLATION bytewise (locale = 'C');
ALTER TABLE things ADD c text COLLATE bytewise DEFAULT 'ä';
CREATE INDEX things_c ON things (c COLLATE "POSIX" DESC);

CREATE VIEW plain AS SELECT id, a FROM things WHERE a > 1 WITH LOCAL CHECK OPTION;
CREATE VIEW joined AS SELECT t.id, u.a, t.a AS other FROM things t JOIN things u USING (id) WHERE t.b = ANY (ARRAY[2, 4]);
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM plain;
CREATE RECURSIVE VIEW counted (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM counted WHERE n < 5;
CREATE VIEW circular AS SELECT 1 AS x;
CREATE VIEW uses_circular AS SELECT x FROM circular;
CREATE VIEW windowed AS SELECT id, sum(a) OVER w AS s, row_number() OVER (PARTITION BY b ORDER BY id DESC) FROM things WINDOW w AS (ORDER BY id ROWS 3 PRECEDING);
CREATE VIEW cased AS SELECT CASE a WHEN 1 THEN 'x'::text ELSE NULL END AS c, a::numeric(10, 2), coalesce(t, 'none') FROM things GROUP BY a, t HAVING count(*) > 0;
CREATE FUNCTION instead() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TRIGGER instead INSTEAD OF UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION instead();
ALTER VIEW plain ALTER a SET DEFAULT 5;

CREATE FUNCTION add(a int, b int DEFAULT 1, VARIADIC c int[] DEFAULT '{}') RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 5 AS 'SELECT a + b';
CREATE FUNCTION add(a text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET work_mem = '8MB' AS $body$
BEGIN
  -- $$ inside, and a line like a dump's
--
-- Name: fake; Type: TABLE; Schema: objects; Owner: nobody
--
  RETURN $q$it's$q$;
END $body$;
CREATE FUNCTION set_of(OUT x int, OUT y text) RETURNS SETOF record LANGUAGE sql ROWS 10 AS $$ VALUES (1, 'a'), (2, 'b') $$;
CREATE PROCEDURE proceed(INOUT x int) LANGUAGE plpgsql AS $$ BEGIN x := x + 1; COMMIT; END $$;
CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int, INITCOND = '0', COMBINEFUNC = int4pl, PARALLEL = SAFE);
CREATE TYPE money_of AS (amount numeric, currency text);
CREATE FUNCTION cheaper(money_of, money_of) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT $1.amount < $2.amount';
CREATE OPERATOR <<< (LEFTARG = money_of, RIGHTARG = money_of, FUNCTION = cheaper);
CREATE FUNCTION as_text(money_of) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'cast' $$;
CREATE CAST (money_of AS text) WITH FUNCTION as_text(money_of) AS ASSIGNMENT;
CREATE TABLE prices (id int PRIMARY KEY, m money_of);
INSERT INTO prices VALUES (1, (1.50, 'EUR')), (2, (1.5, 'EUR')), (3, (NULL, NULL)), (4, NULL);
CREATE OPERATOR CLASS int_backwards FOR TYPE int4 USING btree AS OPERATOR 1 >, OPERATOR 2 >=, OPERATOR 3 =, OPERATOR 4 <=, OPERATOR 5 <, FUNCTION 1 btint4cmp(int4, int4);
CREATE TYPE shell;
CREATE TEXT SEARCH DICTIONARY dict (TEMPLATE = simple, STOPWORDS = english);
CREATE TEXT SEARCH CONFIGURATION config (COPY = pg_catalog.english);
ALTER TEXT SEARCH CONFIGURATION config ALTER MAPPING FOR word WITH dict, english_stem;
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER corpus_ddl ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION on_ddl();
ALTER EVENT TRIGGER corpus_ddl DISABLE;
CREATE MATERIALIZED VIEW first AS SELECT a, count(*) AS n FROM things GROUP BY a;
CREATE MATERIALIZED VIEW "0 second" AS SELECT sum(n) AS n FROM first;
CREATE MATERIALIZED VIEW "00 third" WITH (fillfactor = 70) AS SELECT n * 2.50 AS n FROM "0 second";
CREATE INDEX ON first (n);
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 130000 THEN
    EXECUTE 'ALTER STATISTICS objects.things_ab SET STATISTICS 500';
  END IF;
  IF current_setting('server_version_num')::int >= 140000 THEN
    EXECUTE 'CREATE FUNCTION objects.sql_body(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT x + (SELECT count(*)::int FROM objects.things); END';
    EXECUTE 'CREATE STATISTICS objects.things_expr ON (a + b), lower(t) FROM objects.things';
  END IF;
  IF current_setting('server_version_num')::int >= 150000 THEN
    EXECUTE 'CREATE VIEW objects.invoker WITH (security_invoker) AS SELECT id FROM objects.things';
  END IF;
END $$;
COMMENT ON SCHEMA objects IS 'of every kind';
COMMENT ON COLUMN things.a IS 'a column''s';
COMMENT ON INDEX things_gin IS 'an index''s';
COMMENT ON CONSTRAINT things_pkey ON things IS 'a constraint''s';
COMMENT ON FUNCTION add(text) IS 'a function''s';
COMMENT ON TRIGGER instead ON plain IS 'a trigger''s';
COMMENT ON MATERIALIZED VIEW first IS 'a materialized view''s';
COMMENT ON EVENT TRIGGER corpus_ddl IS 'an event trigger''s';
