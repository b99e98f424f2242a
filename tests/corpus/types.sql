-- Every built-in type at its extremes, what is empty beside what is NULL, and values that are stored out of line.
CREATE SCHEMA types;
SET search_path = types, pg_catalog;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine", really');
CREATE DOMAIN positive AS numeric(12, 2) CHECK (VALUE > 0);
CREATE DOMAIN moods AS mood[];
CREATE TYPE pair AS (a int, b text, c mood);
CREATE DOMAIN checked_pair AS pair CHECK ((VALUE).a IS NULL OR (VALUE).a > -10);
CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi);

CREATE TABLE numbers (id int PRIMARY KEY, i2 int2, i4 int4, i8 int8, n numeric, n2 numeric(20, 6), f4 float4, f8 float8, m money, b bool);
INSERT INTO numbers VALUES
 (1, -32768, -2147483648, -9223372036854775808, 'NaN', 'NaN', 'NaN', 'NaN', '-92233720368547758.08', true),
 (2, 32767, 2147483647, 9223372036854775807, 1e-300, 99999999999999.999999, '3.4028235e38', '1.7976931348623157e308', '92233720368547758.07', false),
 (3, 0, 0, 0, 0.000, 0, '-0', '-0', 0, NULL),
 (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (5, 1, 1, 1, 1.00000000000000000000, 1.5, '1e-45', '5e-324', '0.01', true),
 (6, 2, 2, 2, repeat('9', 2000)::numeric + 0.5, -0.000001, 'Infinity', '-Infinity', '-0.01', true),
 (7, 3, 3, 3, 28.123456789012345678901234567890, 3, 0.1, 0.1 + 0.2::float8, '1', true);
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 140000 THEN
    INSERT INTO numbers (id, n) VALUES (8, 'Infinity'), (9, '-Infinity');
  END IF;
END $$;

CREATE TABLE words (id int PRIMARY KEY, t text, v varchar(5), c char(5), c1 "char", n name, b bytea, x text COLLATE "C");
INSERT INTO words VALUES
 (1, '', '', '', '', '', '', ''), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (3, E'tab\tnew\nline\rback\\slash \\N \\. "quote"', 'ab', 'ab', 'x', 'name', '\x00', 'x'),
 (4, '\N', '\.', '  x', E'\001', repeat('n', 63), '\x5c4e5c2e0a0d00ff', '\.'),
 (5, U&'\+01F600 \00e4 \FFFD \0001', 'äöüßé', 'äöüßé', '"', '"', decode(repeat('00ff', 1000), 'hex'), 'ä'),
 (6, 'NULL', 'null', 'NULL', 'N', 'NULL', 'NULL', '{}');

CREATE TABLE times (id int PRIMARY KEY, d date, t time, tz timetz, ts timestamp, tsz timestamptz, i interval, i0 interval(0), ym interval year to month);
INSERT INTO times VALUES
 (1, '4713-01-01 BC', '00:00', '00:00+15:59', '4713-01-01 BC', '4713-01-02 00:00+00 BC', '-178000000 years', '1 s', '3 years 2 mons'),
 (2, '5874897-12-31', '24:00:00', '24:00-15:59', '294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999+00', '178000000 years', '1.5 s', '-1 mons'),
 (3, 'infinity', '23:59:59.999999', '12:00:00.000001+00:30', 'infinity', 'infinity', '1 mon', '0', NULL),
 (4, '-infinity', NULL, NULL, '-infinity', '-infinity', '30 days', NULL, NULL),
 (5, '0001-01-01', '12:00', '12:00+02', '1582-10-15', '1900-01-01 00:00+00', '720 hours', '-1 day +1 hour', '0'),
 (6, '2000-02-29', NULL, NULL, '2020-10-25 02:30', '2020-10-25 02:30+02', '-1 mon +1 day -00:00:00.000001', NULL, NULL);

CREATE TABLE bits (id int PRIMARY KEY, b1 bit, b8 bit(8), v bit varying, v3 bit varying(3));
INSERT INTO bits VALUES (1, B'1', B'10101010', B'', B'1'), (2, B'0', B'00000000', repeat('10', 500)::varbit, B'111'), (3, NULL, NULL, NULL, NULL);

CREATE TABLE places (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle,
  ip inet, net cidr, mac macaddr, mac8 macaddr8, u uuid, lsn pg_lsn);
INSERT INTO places VALUES
 (1, '(0,-0)', '{1,-1,0}', '[(0,0),(1,1e300)]', '((1,1),(0,0))', '[(0,0),(1,1)]', '((0,0),(1,1),(2,0))', '<(0,0),1>',
  '192.168.1.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '00000000-0000-0000-0000-000000000000', '0/0'),
 (2, '(NaN,Infinity)', '{0,1,-0.1}', '[(0.1,0.2),(0.3,-0)]', '((1e-300,1),(0,-1))', '((0,0),(1,1))', '((0,0))', '<(1,1),0>',
  '::ffff:1.2.3.4/128', '2001:db8::/32', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 'FFFFFFFF/FFFFFFFF'),
 (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '::1', '::/0', NULL, NULL, NULL, NULL);

CREATE TABLE documents (id int PRIMARY KEY, j json, jb jsonb, jp jsonpath, v tsvector, q tsquery, r regclass, rt regtype, o oid, xi xid, ti tid);
INSERT INTO documents VALUES
 (1, '{"a": 1,  "a": 2, "b": [1.0, 1.00, null, "\u0041"]}', '{"a": 1.0, "b": [1.00, 1e3, null, "\u0041", {}], "": ""}', '$.a[*] ? (@ > 1)',
  $$'a':1A,2B 'fat cats':3 'O''Reilly'$$, $$'a' & !'b' <-> 'c':*A$$, 'pg_class', 'types.mood', 4294967295, '4294967295', '(4294967295,65535)'),
 (2, '  null ', 'null', '$', '', '', 'types.numbers', 'numeric', 0, '3', '(0,1)'),
 (3, '""', '""', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (4, '[1e400, -0]', '[-0, 0.0, 1234567890123456789012345678901234567890.10]', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

CREATE TABLE many (id int PRIMARY KEY, i int[], t text[], f float8[], m mood[], md moods, p pair, ps pair[], cp checked_pair, pos positive, poss positive[],
  b bytea[], j jsonb[], ts timestamptz[], iv interval[], big int8[][]);
INSERT INTO many VALUES
 (1, '{}', '{}', '{}', '{}', '{}', '(,,)', '{}', '(,,)', 1, '{}', '{}', '{}', '{}', '{}', '{}'),
 (2, '{1,NULL,-3}', ARRAY['', NULL, 'NULL', '{}', ',', '"', '\', E'\n', ' '], '{NaN,Infinity,-Infinity,-0,0.1}', '{sad,"it''s \"fine\", really",NULL}', '{ok}',
  ROW(1, 'a,"b"(c)\', 'ok'), ARRAY[ROW(NULL, '', NULL)::pair, NULL], ROW(-9, NULL, 'sad'), 0.01, '{1,2.50}', ARRAY['\x00'::bytea, NULL, ''],
  ARRAY['{"a": 1}'::jsonb, 'null', NULL], ARRAY['infinity'::timestamptz, '2000-01-01Z'], ARRAY['1 mon'::interval, '30 days'], '{{1,2},{3,4}}'),
 (3, '[-2:0]={1,2,3}', '[5:5]={x}', '[0:1][0:1]={{1,2},{3,4}}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{{{1}}}');

CREATE TABLE ranges (id int PRIMARY KEY, i4 int4range, i8 int8range, n numrange, d daterange, ts tsrange, tsz tstzrange, f float_range, a int4range[]);
INSERT INTO ranges VALUES
 (1, 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', 'empty', '{}'),
 (2, '(,)', '[-9223372036854775808,)', '[1.0,1.00]', '[2000-01-01,infinity)', '[-infinity,infinity]', '(2000-01-01 00:00+02,)', '[-Infinity,NaN]', '{"[1,2)",empty,NULL}'),
 (3, '[1,5]', '(,5)', '(0.10,1e100)', '(,2000-01-01]', '["2000-01-01 00:00","2000-01-01 00:00:00.000001")', NULL, '(0.1,0.2)', NULL);
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 140000 THEN
    CREATE TABLE multiranges (id int PRIMARY KEY, i int4multirange, n nummultirange, d datemultirange, t tstzmultirange, f float_multirange);
    INSERT INTO multiranges VALUES (1, '{}', '{}', '{}', '{}', '{}'), (2, '{[1,2),[3,4)}', '{(,0.0),[1.50,)}', '{(,infinity)}', '{(,)}', '{[0.1,0.2]}'),
     (3, NULL, NULL, NULL, NULL, NULL);
  END IF;
END $$;

-- out of line: compressed, uncompressed, and too large for one line of anything
CREATE TABLE large (id int PRIMARY KEY, t text, b bytea, j jsonb, e text);
ALTER TABLE large ALTER e SET STORAGE EXTERNAL;
INSERT INTO large SELECT g, repeat(md5(g::text) || E'\n\t\\"', 30000), decode(repeat(md5(g::text), 70000), 'hex'),
  jsonb_build_object('k', repeat(md5(g::text), 5000), 'l', ARRAY(SELECT s * 1.10 FROM generate_series(1, 1000) s)), repeat('äx', 20000 * g)
  FROM generate_series(1, 3) g;
INSERT INTO large SELECT 4, string_agg(md5(s::text), ''), NULL, NULL, NULL FROM generate_series(1, 100000) s;

CREATE TABLE no_columns ();
INSERT INTO no_columns DEFAULT VALUES;
INSERT INTO no_columns DEFAULT VALUES;
CREATE TABLE with_dropped (gone int, id int PRIMARY KEY, gone_too text, v text);
INSERT INTO with_dropped SELECT g, g, 'x', 'v' || g FROM generate_series(1, 10) g;
ALTER TABLE with_dropped DROP gone, DROP gone_too, ADD added int DEFAULT 7, ADD empty text;
CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY, v text);
INSERT INTO unlogged VALUES (1, 'kept, when it was moved alive');
CREATE TABLE wide_row AS SELECT 1 AS id;
DO $$ BEGIN
  EXECUTE (SELECT 'ALTER TABLE types.wide_row ' || string_agg(format('ADD c%s numeric', g), ', ') FROM generate_series(1, 1000) g);
END $$;
UPDATE wide_row SET c1 = 1.50, c1000 = 'NaN';
CREATE TABLE generated (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED, b text, up text GENERATED ALWAYS AS (upper(b)) STORED);
INSERT INTO generated (id, a, b) VALUES (1, 21, 'x'), (2, NULL, NULL);
DO $$ BEGIN
  IF current_setting('server_version_num')::int >= 180000 THEN
    EXECUTE 'CREATE TABLE types.virtual (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) VIRTUAL)';
    EXECUTE 'INSERT INTO types.virtual (id, a) VALUES (1, 21)';
  END IF;
END $$;
