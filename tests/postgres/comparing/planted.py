"""Two databases with objects of every kind, and for every catalog of PostgreSQL a difference to plant in one of them."""

from __future__ import annotations

from typing import Final

FURNISHED: Final = r"""
CREATE ROLE pl_app LOGIN; CREATE ROLE pl_group; CREATE ROLE pl_other; GRANT pl_group TO pl_app;
CREATE SCHEMA s; COMMENT ON SCHEMA s IS 'a schema';
CREATE EXTENSION hstore SCHEMA s; CREATE EXTENSION postgres_fdw; CREATE EXTENSION citext;
CREATE FUNCTION one() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1';
CREATE FUNCTION s.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE PROCEDURE s.work() LANGUAGE sql AS 'SELECT 1';
CREATE TABLE t (id int PRIMARY KEY, a text DEFAULT 'x', b int CHECK (b > 0), c text COLLATE "C", other int);
CREATE TABLE owned (id int REFERENCES t); ALTER TABLE owned OWNER TO pl_app;
CREATE UNIQUE INDEX t_b ON t (b); CREATE INDEX t_c ON t (c);
CREATE TABLE parent (a int); CREATE TABLE child (b text) INHERITS (parent); CREATE TABLE heir (a int, b text);
CREATE TABLE sorted (a int, b int); CREATE TABLE sorted_child () INHERITS (sorted);
CREATE TABLE parted (k int, v text) PARTITION BY LIST (k); CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE ranged (k int) PARTITION BY RANGE (k);
CREATE TABLE kept (x int);
CREATE TABLE settled (x int);
CREATE SEQUENCE counted;
CREATE VIEW seen AS SELECT id, a FROM t; CREATE MATERIALIZED VIEW filled AS SELECT count(*) FROM t;
CREATE RULE ruled AS ON UPDATE TO seen DO INSTEAD NOTHING;
CREATE TRIGGER fires BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION s.fire();
CREATE TRIGGER always BEFORE INSERT ON owned FOR EACH ROW EXECUTE FUNCTION s.fire();
ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY hides ON t TO pl_app USING (id > 1);
CREATE STATISTICS tells ON a, b FROM t;
CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b int); CREATE DOMAIN small AS int CHECK (VALUE < 9);
CREATE TYPE span AS RANGE (SUBTYPE = int8); CREATE TYPE shell;
CREATE CAST (pair AS text) WITH INOUT;
CREATE COLLATION plain (PROVIDER = libc, LOCALE = 'C'); CREATE CONVERSION turn FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE OPERATOR === (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE OPERATOR FAMILY kin USING btree; CREATE OPERATOR CLASS like_int FOR TYPE int USING btree FAMILY kin AS
  OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 btint4cmp(int, int);
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE TEXT SEARCH PARSER cuts (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end, LEXTYPES = prsd_lextype);
CREATE TEXT SEARCH TEMPLATE form (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY words (TEMPLATE = simple); CREATE TEXT SEARCH CONFIGURATION finds (COPY = simple);
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler; CREATE TABLE heaped (x int);
CREATE TRANSFORM FOR int LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal));
CREATE TRUSTED LANGUAGE plown HANDLER plpgsql_call_handler;
CREATE FOREIGN DATA WRAPPER wraps; CREATE SERVER far FOREIGN DATA WRAPPER wraps OPTIONS (a 'b');
CREATE USER MAPPING FOR pl_app SERVER far OPTIONS (password 'secret word'); CREATE FOREIGN TABLE distant (id int) SERVER far;
CREATE FUNCTION s.note() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER notes ON ddl_command_start EXECUTE FUNCTION s.note();
ALTER DEFAULT PRIVILEGES IN SCHEMA s GRANT SELECT ON TABLES TO pl_app;
GRANT SELECT, INSERT ON t TO pl_app; GRANT SELECT (x) ON kept TO pl_app; GRANT USAGE ON SCHEMA s TO pl_group;
CREATE PUBLICATION tells_all FOR TABLE t, kept; CREATE PUBLICATION of_schema FOR TABLES IN SCHEMA s;
CREATE SCHEMA bare; CREATE TABLE told (id int);
CREATE PUBLICATION narrow FOR TABLE told (id); CREATE PUBLICATION partly FOR TABLE told WHERE (id > 0);
CREATE SUBSCRIPTION hears CONNECTION 'password=hidden' PUBLICATION p WITH (connect = false, slot_name = NONE);
SELECT lo_from_bytea(1001, 'one'), lo_from_bytea(1002, 'two'), lo_from_bytea(1003, 'three'), lo_from_bytea(1004, 'four');
GRANT SELECT ON LARGE OBJECT 1002 TO pl_app;
"""
PLANTED: Final = {
    "pg_aggregate": {"DROP AGGREGATE total (int)": "aggregate public.total(integer)"},
    "pg_am": {"CREATE ACCESS METHOD heap3 TYPE TABLE HANDLER heap_tableam_handler": "access method heap3"},
    "pg_amop": {"ALTER OPERATOR FAMILY kin USING btree ADD OPERATOR 1 < (int4, int8)": "operator family public.kin"},
    "pg_amproc": {"ALTER OPERATOR FAMILY kin USING btree ADD FUNCTION 2 (int4, int4) btint4sortsupport(internal)":
                  "operator family public.kin"},
    "pg_attrdef": {"ALTER TABLE kept ALTER x SET DEFAULT 7": "table public.kept"},
    "pg_attribute": {
        "ALTER TABLE heir ADD d int": "table public.heir",
        "ALTER TABLE settled ALTER x SET STATISTICS 500": "table public.settled",
        "ALTER TABLE sorted DROP a; ALTER TABLE sorted ADD a int": "table public.sorted_child",
        "ALTER TABLE parent ADD z int": "table public.child",
    },
    "pg_auth_members": {"REVOKE pl_group FROM pl_app": "role pl_app"},
    "pg_authid": {"ALTER ROLE pl_app CREATEDB CONNECTION LIMIT 3": "role pl_app"},
    "pg_cast": {"DROP CAST (pair AS text)": "cast CAST (public.pair AS text)"},
    "pg_class": {
        "ALTER TABLE owned SET UNLOGGED": "table public.owned",
        "DROP TABLE heaped; CREATE TABLE heaped (x int) USING heap2": "table public.heaped",
        "ALTER TABLE ranged OWNER TO pl_other": "table public.ranged",
        "ALTER TABLE t FORCE ROW LEVEL SECURITY": "table public.t",
        "DROP SEQUENCE counted": "sequence public.counted",
    },
    "pg_collation": {"DROP COLLATION plain": "collation public.plain"},
    "pg_constraint": {"ALTER TABLE owned DROP CONSTRAINT owned_id_fkey": "fk constraint public.owned owned_id_fkey"},
    "pg_conversion": {"DROP CONVERSION turn": "conversion public.turn"},
    "pg_database": {
        "ALTER DATABASE :here CONNECTION LIMIT 7": "database",
        "ALTER DATABASE :here OWNER TO pl_other": "database",
        "REVOKE TEMP ON DATABASE :here FROM PUBLIC": "database",
    },
    "pg_db_role_setting": {
        "ALTER DATABASE :here SET app.key = 'secret word'": "database",
        "ALTER ROLE pl_app IN DATABASE :here SET work_mem = '8MB'": "role pl_app",
    },
    "pg_default_acl": {"ALTER DEFAULT PRIVILEGES IN SCHEMA s REVOKE SELECT ON TABLES FROM pl_app":
                       "default acl s.DEFAULT PRIVILEGES FOR TABLES"},
    "pg_description": {
        "COMMENT ON SCHEMA s IS 'another'": "comment SCHEMA s",
        "COMMENT ON SCHEMA public IS NULL": "comment SCHEMA public",
        "COMMENT ON LARGE OBJECT 1003 IS 'a comment'": "large object 1003",
    },
    "pg_enum": {"ALTER TYPE mood ADD VALUE 'calm'": "type public.mood"},
    "pg_event_trigger": {"ALTER EVENT TRIGGER notes DISABLE": "event trigger notes"},
    "pg_extension": {"ALTER EXTENSION hstore SET SCHEMA public": "extension hstore"},
    "pg_depend": {"ALTER EXTENSION citext ADD FUNCTION one()": "extension citext"},
    "pg_foreign_data_wrapper": {"ALTER FOREIGN DATA WRAPPER wraps OPTIONS (ADD c 'd')": "foreign data wrapper wraps"},
    "pg_foreign_server": {"ALTER SERVER far OPTIONS (SET a 'secret word')": "server far"},
    "pg_foreign_table": {"ALTER FOREIGN TABLE distant OPTIONS (ADD x 'y')": "foreign table public.distant"},
    "pg_user_mapping": {"ALTER USER MAPPING FOR pl_app SERVER far OPTIONS (SET password 'secret word 2')":
                        "user mapping USER MAPPING pl_app SERVER far"},
    "pg_index": {
        "DROP INDEX t_b": "index public.t_b",
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 't_c'::regclass": "index public.t_c",
    },
    "pg_inherits": {"ALTER TABLE heir ADD z int; ALTER TABLE heir INHERIT parent": "table public.heir"},
    "pg_language": {"ALTER LANGUAGE plown OWNER TO pl_other": "procedural language plown"},
    "pg_largeobject": {"SELECT lo_put(1001, 0, 'O')": "large object 1001"},
    "pg_largeobject_metadata": {
        "REVOKE SELECT ON LARGE OBJECT 1002 FROM pl_app": "large object 1002",
        "ALTER LARGE OBJECT 1004 OWNER TO pl_other": "large object 1004",
    },
    "pg_namespace": {"REVOKE USAGE ON SCHEMA s FROM pl_group": "acl SCHEMA s"},
    "pg_opclass": {"DROP OPERATOR CLASS like_int USING btree": "operator class public.like_int"},
    "pg_operator": {"DROP OPERATOR === (int, int)": "operator public.==="},
    "pg_opfamily": {"ALTER OPERATOR FAMILY kin USING btree OWNER TO pl_other": "operator family public.kin"},
    "pg_partitioned_table": {"DROP TABLE parted": "table public.parted"},
    "pg_policy": {"ALTER POLICY hides ON t TO pl_other": "policy public.t hides"},
    "pg_proc": {
        "CREATE OR REPLACE PROCEDURE s.work() LANGUAGE sql AS 'SELECT 2'": "procedure s.work()",
        "ALTER FUNCTION s.fire() COST 7": "function s.fire()",
    },
    "pg_publication": {"ALTER PUBLICATION tells_all SET (publish = 'insert')": "publication tells_all"},
    "pg_publication_rel": {"ALTER PUBLICATION tells_all DROP TABLE kept": "publication tells_all",
                           "ALTER PUBLICATION narrow SET TABLE told": "publication narrow",
                           "ALTER PUBLICATION partly SET TABLE told WHERE (id > 1)": "publication partly"},
    "pg_publication_namespace": {"CREATE PUBLICATION more FOR TABLES IN SCHEMA s": "publication more",
                                 "ALTER PUBLICATION of_schema ADD TABLES IN SCHEMA bare": "publication of_schema"},
    "pg_range": {"DROP TYPE span": "type public.span"},
    "pg_rewrite": {"CREATE OR REPLACE RULE ruled AS ON UPDATE TO seen DO ALSO NOTHING": "rule public.seen ruled"},
    "pg_sequence": {"CREATE SEQUENCE another MAXVALUE 9": "sequence public.another"},
    "pg_shdescription": {"COMMENT ON DATABASE :here IS 'ours'": "database", "COMMENT ON ROLE pl_app IS 'an app'": "role pl_app"},
    "pg_statistic_ext": {"ALTER STATISTICS tells SET STATISTICS 7": "statistics public.tells"},
    "pg_subscription": {"ALTER SUBSCRIPTION hears SET PUBLICATION q WITH (refresh = false)": "subscription hears"},
    "pg_transform": {"DROP TRANSFORM FOR int LANGUAGE sql": "transform TRANSFORM FOR integer LANGUAGE sql"},
    "pg_trigger": {
        "ALTER TABLE t DISABLE TRIGGER fires": "trigger public.t fires",
        "ALTER TABLE owned ENABLE ALWAYS TRIGGER always": "trigger public.owned always",
    },
    "pg_ts_config": {"DROP TEXT SEARCH CONFIGURATION finds; CREATE TEXT SEARCH CONFIGURATION finds (PARSER = cuts)":
                     "text search configuration public.finds"},
    "pg_ts_config_map": {"ALTER TEXT SEARCH CONFIGURATION finds ADD MAPPING FOR word WITH words":
                         "text search configuration public.finds"},
    "pg_ts_dict": {"ALTER TEXT SEARCH DICTIONARY words (ACCEPT = false)": "text search dictionary public.words"},
    "pg_ts_parser": {"ALTER TEXT SEARCH PARSER cuts RENAME TO cuts2": "text search parser public.cuts"},
    "pg_ts_template": {"ALTER TEXT SEARCH TEMPLATE form RENAME TO form2": "text search template public.form"},
    "pg_type": {
        "ALTER TYPE pair ADD ATTRIBUTE c int": "type public.pair",
        "ALTER DOMAIN small SET DEFAULT 4": "domain public.small",
        "DROP TYPE shell": "type public.shell",
    },
}  # fmt: skip
"""By the catalog that differs afterwards: the statement, and the object that must be named. Passwords are `secret word`."""
CONSEQUENCES: Final = frozenset({
    "function public.one()", "table public.parted_1", "table attach public.parted_1", "text search parser public.cuts2",
    "text search template public.form2", "table public.parent", "table public.sorted",
})  # fmt: skip
"""Objects that the statements change besides."""
NOT_COMPARED: Final = {
    "pg_init_privs": "what extensions grant at first: rights that differ from it are compared as rights",
    "pg_parameter_acl": "rights on settings are the server's: a migration names them",
    "pg_replication_origin": "the progress of a subscription",
    "pg_seclabel": "labels need a provider on both servers",
    "pg_shseclabel": "labels need a provider on both servers",
    "pg_shdepend": "follows from owners and rights",
    "pg_statistic": "made by ANALYZE",
    "pg_statistic_ext_data": "made by ANALYZE",
    "pg_subscription_rel": "the progress of a subscription",
    "pg_tablespace": "belongs to the server",
}
"""Catalogs whose contents are no property of a database that could be moved."""
