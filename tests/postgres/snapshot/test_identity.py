"""Objects whose names look alike once printed are objects of their own."""

from __future__ import annotations

from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import SAME, Pair

ALIKE = """
CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
CREATE TABLE a (id int, CONSTRAINT "b c" PRIMARY KEY (id), CONSTRAINT "d e" FOREIGN KEY (id) REFERENCES parent);
CREATE TABLE "a b" (id int, CONSTRAINT c PRIMARY KEY (id));
CREATE TABLE "a b c" (id int); CREATE TABLE "a b
c" (id int);
ALTER TABLE "a b" ADD CONSTRAINT "b d" CHECK (id > 0), ADD CONSTRAINT "d
e" FOREIGN KEY (id) REFERENCES parent;
ALTER TABLE "a b c" ADD CONSTRAINT "b d" UNIQUE (id); ALTER TABLE "a b
c" ADD CONSTRAINT "b
d" UNIQUE (id);
CREATE SCHEMA s; CREATE SCHEMA "s.t"; CREATE SCHEMA "s t"; CREATE SCHEMA "s
t";
CREATE TABLE s."t.u" (v int); CREATE TABLE "s.t".u (v int); CREATE TABLE "s t".u (v int); CREATE TABLE "s
t".u (v int);
CREATE INDEX "t.i" ON s."t.u" (v); CREATE INDEX i ON "s.t".u (v); CREATE INDEX i ON "s t".u (v); CREATE INDEX i ON "s
t".u (v);
CREATE INDEX "in dex" ON s."t.u" (v); CREATE INDEX "in
dex" ON s."t.u" (v DESC); CREATE INDEX "in\tdex" ON s."t.u" ((v + 1));
CREATE MATERIALIZED VIEW "m v" AS SELECT 1 AS one; CREATE MATERIALIZED VIEW "m
v" AS SELECT 1 AS one;
CREATE INDEX "o n" ON "m v" (one); CREATE INDEX "o
n" ON "m
v" (one);
COMMENT ON TABLE a IS 'of a'; COMMENT ON TABLE "a b" IS 'of a b'; COMMENT ON INDEX s."in dex" IS 'a space';
CREATE TABLE "PUBLICATION x" (id int); COMMENT ON TABLE "PUBLICATION x" IS 'a table';
INSERT INTO a VALUES (1); INSERT INTO "a b" VALUES (2); INSERT INTO "a b c" VALUES (3); INSERT INTO "a b
c" VALUES (4); INSERT INTO s."t.u" VALUES (5); INSERT INTO "s.t".u VALUES (6); INSERT INTO "s t".u VALUES (7);
"""


def test_what_prints_alike_arrives_each_by_itself(pair: Pair) -> None:
    pair.make(ALIKE)
    pair.move()
    assert pair.differs() == SAME
    assert pair.notes == []


def test_text_that_looks_like_an_entry_of_an_archive_arrives_as_text(pair: Pair) -> None:
    trap = "--\n-- TOC entry 1 (class 0 OID 0)\n-- Name: t; Type: TABLE; Schema: -; Owner: -\n--\n\nDROP TABLE t;\n"
    pair.make(f"CREATE TABLE t (id int DEFAULT length('{trap}')); COMMENT ON TABLE t IS '{trap}'")
    pair.move()
    assert pair.differs() == SAME
    assert run_sql(pair.target, "SELECT obj_description('t'::regclass)") == [(trap,)]
