-- No primary key, other identities, duplicates; keys of every sort.
CREATE SCHEMA keys;
SET search_path = keys, pg_catalog;
CREATE TABLE keyless (a int, b text);
INSERT INTO keyless SELECT g % 7, 'b' || g % 3 FROM generate_series(1, 200) g;
INSERT INTO keyless VALUES (NULL, NULL), (NULL, NULL), (NULL, '');
CREATE TABLE keyless_json (j json, p point);
INSERT INTO keyless_json VALUES ('{"a": 1}', '(1,2)'), ('{"a": 1}', '(1,2)'), (NULL, NULL);
CREATE TABLE identity_full (a int, b text);
ALTER TABLE identity_full REPLICA IDENTITY FULL;
INSERT INTO identity_full VALUES (1, 'x'), (1, 'x');
CREATE TABLE identity_nothing (id int PRIMARY KEY);
ALTER TABLE identity_nothing REPLICA IDENTITY NOTHING;
CREATE TABLE identity_index (a int NOT NULL, b text);
CREATE UNIQUE INDEX identity_index_key ON identity_index (a);
ALTER TABLE identity_index REPLICA IDENTITY USING INDEX identity_index_key;
INSERT INTO identity_index VALUES (1, 'x');
CREATE TABLE words_as_key (k text, l varchar(10), PRIMARY KEY (k, l));
INSERT INTO words_as_key SELECT 'Key' || g, CASE g % 2 WHEN 0 THEN 'a' ELSE 'B ä' END FROM generate_series(1, 100) g;
CREATE TABLE uuid_as_key (k uuid PRIMARY KEY);
INSERT INTO uuid_as_key SELECT md5(g::text)::uuid FROM generate_series(1, 50) g;
CREATE TABLE floats_as_key (k float8 PRIMARY KEY);
INSERT INTO floats_as_key VALUES ('NaN'), (-0), (0.1), ('Infinity');
CREATE TABLE with_included (a int, b int, c text, PRIMARY KEY (a) INCLUDE (b));
INSERT INTO with_included VALUES (1, 2, 'x');
CREATE UNIQUE INDEX partial_unique ON with_included (c) WHERE b > 1;
CREATE UNIQUE INDEX expression_unique ON with_included (lower(c) text_pattern_ops, (a + b) DESC NULLS LAST);
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 150000 THEN
    EXECUTE 'CREATE TABLE keys.nulls_alike (a int UNIQUE NULLS NOT DISTINCT)';
    EXECUTE 'INSERT INTO keys.nulls_alike VALUES (NULL), (1)';
  END IF;
END $$;
