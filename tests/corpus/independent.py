"""Both sides of a move compared by PostgreSQL's own programs and catalogs alone. Nothing here is code that users run.

`verify` is under test like all else, so that it says "equal" proves nothing. This looks at sorted `pg_dump -s -C`, sorted
`COPY` of every table, sequences, large objects, rights, and counts of the catalogs.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from typing import Final

from psycopg import sql
from tests.corpus.moving import LEFT_OUT
from tests.corpus.servers import Server, program, run_sql

from changeover.postgres.location import Location

HAS_MULTIRANGES_SINCE, QUALIFIES_LESS_SINCE, HAS_MAINTAIN_SINCE, NAMES_NOT_NULL_SINCE = 14, 16, 17, 18
LOOKED_UP: Final = ("rows of ", "sequence ", "count ", "rights ", "object ")
"""How lines begin that come from the catalogs and not from pg_dump."""
OURS: Final = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
OWN_TABLE: Final = f"""{OURS} AND NOT EXISTS (SELECT FROM pg_depend d
       WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"""
"""A relation that no extension made: what those have depends on the extension's version."""
ACL: Final = "ARRAY(SELECT e::text FROM unnest(coalesce({}, acldefault({}))) e ORDER BY 1)"
"""No list and the list of the default rights are the same."""
RELATION: Final = """(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END)::"char", c.relowner"""
TABLES: Final = f"""
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND {OURS} ORDER BY 1, 2
"""
SEQUENCES: Final = f"""
SELECT n.nspname::text, c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S' AND {OURS} ORDER BY 1, 2
"""
COUNTS: Final = f"""
SELECT 'relations of kind ' || c.relkind::text, count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {OWN_TABLE} GROUP BY 1
UNION ALL SELECT 'constraints of type ' || c.contype::text, count(*) FROM pg_constraint c
  JOIN pg_namespace n ON n.oid = c.connamespace WHERE {OURS} AND c.contype <> 'n' GROUP BY 1
UNION ALL SELECT 'columns', count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OWN_TABLE} AND a.attnum > 0 AND NOT a.attisdropped
UNION ALL SELECT 'defaults', count(*) FROM pg_attrdef
UNION ALL SELECT 'triggers ' || tgenabled::text, count(*) FROM pg_trigger GROUP BY 1
UNION ALL SELECT 'indexes ' || concat_ws(' ', indisunique, indisprimary, indisvalid, indisclustered, indisreplident), count(*)
  FROM pg_index WHERE indexrelid >= 16384 GROUP BY 1
UNION ALL SELECT 'inherits', count(*) FROM pg_inherits
UNION ALL SELECT 'functions', count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
   WHERE {OURS} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL SELECT 'policies', count(*) FROM pg_policy
UNION ALL SELECT 'rules', count(*) FROM pg_rewrite WHERE oid >= 16384
UNION ALL SELECT 'comments', count(*) FROM pg_description d WHERE d.objoid >= 16384
   AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = d.objoid AND e.classid = d.classoid AND e.deptype = 'e')
   AND d.classoid <> 'pg_extension'::regclass
UNION ALL SELECT 'large objects', count(*) FROM pg_largeobject_metadata
UNION ALL SELECT 'labels of enums', count(*) FROM pg_enum
UNION ALL SELECT 'extended statistics', count(*) FROM pg_statistic_ext
UNION ALL SELECT 'event triggers', count(*) FROM pg_event_trigger
UNION ALL SELECT 'extensions', count(*) FROM pg_extension
"""
RIGHTS: Final = f"""
SELECT format('%s %s.%s', c.relkind, n.nspname, c.relname), pg_get_userbyid(c.relowner)::text,
       {ACL.format("c.relacl", RELATION)} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {OWN_TABLE} AND c.relkind NOT IN ('i', 'I', 't')
UNION ALL SELECT format('column %s.%s.%s', n.nspname, c.relname, a.attname), '', {ACL.format("a.attacl", "'c', c.relowner")}
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {OURS} AND a.attacl IS NOT NULL
UNION ALL SELECT format('schema %s', n.nspname), pg_get_userbyid(n.nspowner)::text,
                 {ACL.format("n.nspacl", "'n', n.nspowner")} FROM pg_namespace n WHERE {OURS} AND n.nspname <> 'public'
UNION ALL SELECT format('function %s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
                 pg_get_userbyid(p.proowner)::text, {ACL.format("p.proacl", "'f', p.proowner")}
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE {OURS} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL SELECT format('large object %s', oid), pg_get_userbyid(lomowner)::text, {ACL.format("lomacl", "'L', lomowner")}
  FROM pg_largeobject_metadata
"""
LARGE_OBJECTS: Final = """
SELECT oid::text, md5(lo_get(oid)), coalesce(obj_description(oid, 'pg_largeobject'), '') FROM pg_largeobject_metadata
"""


def what_differs(servers: tuple[Server, Server], databases: tuple[Location, Location]) -> list[str]:
    """Lines that only one side has: `<` the source, `>` the target. Majors may print their own way."""
    here, there = (Counter(everything(one, max(server.major for server in servers))) for one in databases)
    majors = sorted(server.major for server in servers)
    here, there = (Counter(as_all_majors_print(lines.elements(), majors)) for lines in (here, there))
    return [*(f"< {line}" for line in (here - there).elements()), *(f"> {line}" for line in (there - here).elements())]


def everything(database: Location, major: int) -> list[str]:
    """One line for each thing of a database."""
    [(encoding,)] = run_sql(database, "SELECT replace(current_setting('server_encoding'), 'LATIN1', 'UTF8')")
    database = database.with_(options=f"-cclient_encoding={encoding}")
    dump = program("pg_dump", "--schema-only", "--create", location=database, major=major, encoding=encoding).decode(
        "utf-8", "surrogateescape"
    )
    dump = re.sub(r"^(?:GRANT|REVOKE) [^;]+;$", lambda one: one[0].replace("\n", " "), dump, flags=re.MULTILINE)
    lines = [line.rstrip().rstrip(",").replace(database.database, "HERE") for line in dump.splitlines()]
    return [
        *(line for line in lines if not LEFT_OUT.match(line) and not line.startswith("\\connect")),
        *(f"rows of {one}" for one in _digests(database, encoding)),
        *(f"sequence {name} {run_sql(database, _query(name, 'SELECT last_value, is_called FROM {}'))}"
          for name in run_sql(database, SEQUENCES)),
        *(f"{what} {row}" for what, asked in (("count", COUNTS), ("rights", RIGHTS), ("object", LARGE_OBJECTS))
          for row in run_sql(database, asked)),
    ]  # fmt: skip


def _digests(database: Location, encoding: str) -> Iterable[str]:
    """Of each table by itself: how many rows, and a digest of what COPY writes, sorted."""
    for name in run_sql(database, TABLES):
        copied = _query(name, "COPY (SELECT * FROM ONLY {}) TO STDOUT")
        rows = sorted(program("psql", "-qXc", copied, location=database, major=12, encoding=encoding).splitlines())
        yield f"{name}: {len(rows)} {hashlib.sha256(b'|'.join(rows)).hexdigest()}"


def _query(name: tuple[str, ...], text: str) -> str:
    return text.format(sql.Identifier(*name).as_string())


def as_all_majors_print(lines: Iterable[str], majors: list[int]) -> list[str]:
    """Without what only the newer of two majors prints, or only the older."""
    found = list(lines)
    if majors[0] < QUALIFIES_LESS_SINCE <= majors[1]:
        qualifier = re.compile(r'(?<![\w".])(?:\w+|"(?:[^"]|"")+")\.(?=[\w"])')
        found = [line if line.startswith(LOOKED_UP) else qualifier.sub("", line) for line in found]
    if majors[0] < NAMES_NOT_NULL_SINCE <= majors[1]:
        found = [re.sub(r'CONSTRAINT (?:\w+|".+") NOT NULL', "NOT NULL", line) for line in found]
    if majors[0] < HAS_MULTIRANGES_SINCE <= majors[1]:
        found = [line for line in found if "multirange_type_name = " not in line]
    if majors[0] < HAS_MAINTAIN_SINCE <= majors[1]:
        found = [_without_maintain(line) for line in found if not line.startswith("GRANT MAINTAIN ON TABLE")]
    return found


def _without_maintain(line: str) -> str:
    """Before 17 each owner has it and no list says so."""
    if not line.startswith("rights "):
        line = line.replace("MAINTAIN,", "").replace(",MAINTAIN ", " ")
        return re.sub(r"^REVOKE [A-Z,]{30,} ON TABLE", "REVOKE ALL ON TABLE", line)
    line = re.sub(r"(=[a-zA-Z*]*)m(\*?/)", r"\1\2", line)
    return re.sub(r"'[^',]*=/[^',]*'(?:, )?", "", line).replace(", ]", "]")
