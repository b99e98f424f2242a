"""What filters leave out of a database, including dependent objects, and whether something that stays depends on it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from changeover.errors.elsewhere import CannotExclude
from changeover.postgres.connect import Connection
from changeover.postgres.filters import Filters, is_match, schema_pattern, table_pattern
from changeover.postgres.partition_trees import TREES, trees_of

MOST_NAMED, MOST_SCHEMAS = 5_000, 10_000
"""Limits of what is passed to pg_dump on its command line. Each table costs it some milliseconds."""
SHOWN: Final = 10
SCHEMAS: Final = """
SELECT n.oid::bigint, n.nspname::text FROM pg_catalog.pg_namespace n
 WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', '_changeover') AND n.nspname !~ '^pg_(toast|temp)'
   AND n.nspname <> ALL (%s)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_namespace'::regclass
                      AND d.objid = n.oid AND d.deptype = 'e')
 ORDER BY 2
"""
RELATIONS: Final = """
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v', 'S') AND c.relpersistence <> 't' AND n.oid = ANY (%s)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 2, 3
"""
GONE: Final = """
WITH RECURSIVE own (oid) AS (
    SELECT e.oid FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
     WHERE n.oid = ANY (%(schemas)s) AND n.nspname <> 'public'
), gone (classid, objid) AS (
    SELECT 'pg_catalog.pg_class'::regclass::oid, unnest(%(relations)s::oid[])
    UNION SELECT 'pg_catalog.pg_namespace'::regclass, unnest(%(schemas)s::oid[])
    UNION SELECT 'pg_catalog.pg_extension'::regclass, oid FROM own
    UNION SELECT d.classid, d.objid FROM pg_catalog.pg_depend d
     WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass AND d.refobjid = ANY (%(schemas)s)
       AND d.classid <> 'pg_catalog.pg_extension'::regclass
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend m WHERE m.classid = d.classid AND m.objid = d.objid
                          AND m.deptype = 'e' AND m.refobjid NOT IN (SELECT oid FROM own))
    UNION SELECT d.classid, d.objid FROM gone g JOIN pg_catalog.pg_depend d ON d.refclassid = g.classid AND d.refobjid = g.objid
     WHERE d.deptype IN ('a', 'i', 'P', 'S', 'e')
)
"""
"""What PostgreSQL would drop with them, without CASCADE. Extensions in schema public stay: that schema always exists."""
LEFT_OUT: Final = f"""{GONE}
SELECT g.classid = 'pg_catalog.pg_extension'::regclass, n.nspname::text, coalesce(c.relname, e.extname)::text
  FROM gone g LEFT JOIN pg_catalog.pg_class c ON g.classid = 'pg_catalog.pg_class'::regclass AND c.oid = g.objid
  LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_extension e ON g.classid = 'pg_catalog.pg_extension'::regclass AND e.oid = g.objid
 WHERE c.relkind IN ('r', 'p', 'f', 'm', 'v', 'S') OR e.oid IS NOT NULL
 ORDER BY 1, 2, 3
"""  # noqa: S608 - constants of ours
NEEDING: Final = f"""{GONE}
SELECT DISTINCT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid),
       pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0)
  FROM gone g JOIN pg_catalog.pg_depend d ON d.refclassid = g.classid AND d.refobjid = g.objid
 WHERE g.classid <> 'pg_catalog.pg_namespace'::regclass AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM gone)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_class t WHERE t.relpersistence = 't' AND t.oid = CASE
       WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid
       WHEN d.classid = 'pg_catalog.pg_rewrite'::regclass
       THEN (SELECT r.ev_class FROM pg_catalog.pg_rewrite r WHERE r.oid = d.objid) END)
 ORDER BY 1, 2
"""  # noqa: S608 - constants of ours
"""What stays, and depends on something that is left out."""
BODIES: Final = f"""{GONE}
SELECT p.oid::regprocedure::text, p.prosrc FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid = p.prolang
 WHERE p.oid >= 16384 AND l.lanname NOT IN ('c', 'internal')
   AND ('pg_catalog.pg_proc'::regclass, p.oid) NOT IN (SELECT classid, objid FROM gone)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_proc'::regclass
                      AND d.objid = p.oid AND d.deptype = 'e')
 ORDER BY 1
"""  # noqa: S608 - constants of ours
WORDS: Final = re.compile(r"[\w$]+(?:\.[\w$]+)*")
Name = tuple[str, str]
"""Schema and name, not quoted."""


@dataclass(frozen=True)
class Excluded:
    """The names of excluded objects. Objects inside an excluded schema are not listed again."""

    schemas: tuple[str, ...] = ()
    tables: tuple[Name, ...] = ()
    """Includes views, sequences and other relations."""
    extensions: tuple[str, ...] = ()
    mentioned_by: tuple[str, ...] = ()
    """Functions that stay although their text contains the name of an excluded table. What they do with it is unknown."""

    def has(self, schema: str, name: str) -> bool:
        return (schema, name) in self._tables or schema in self.schemas

    @cached_property
    def _tables(self) -> frozenset[Name]:
        return frozenset(self.tables)

    def as_dict(self) -> dict[str, Any]:
        """For JSON. `of` reads it."""
        return {"schemas": list(self.schemas), "tables": [list(one) for one in self.tables],
                "extensions": list(self.extensions), "mentioned_by": list(self.mentioned_by)}  # fmt: skip

    @classmethod
    def of(cls, given: dict[str, Any]) -> Excluded:
        tables = tuple((schema, name) for schema, name in given.get("tables", ()))
        return cls(tuple(given.get("schemas", ())), tables, tuple(given.get("extensions", ())),
                   tuple(given.get("mentioned_by", ())))  # fmt: skip


NOTHING: Final = Excluded()


async def choose(connection: Connection, filters: Filters, skip_schemas: Collection[str]) -> Excluded:
    """Runs in the caller's transaction and sees its snapshot. Its search_path must be `pg_catalog` or empty.

    Raises CannotExclude for a pattern without a match, for an excluded object that others need, and when nothing is left.
    """
    if not filters:
        return Excluded()
    schemas = dict(await _rows(connection, SCHEMAS, [list(skip_schemas)]))
    relations = await _rows(connection, RELATIONS, [list(schemas)])
    left = _schemas(filters, schemas)
    tables = _tables(filters, relations, list(schemas.values()))
    chosen = {
        "schemas": list(left),
        "relations": [oid for oid in tables if relations[tables[oid]][1] not in left.values()],
    }
    if needing := await _rows(connection, NEEDING, chosen):
        raise _needed(needing)
    found = await _rows(connection, LEFT_OUT, chosen)
    names = tuple(
        (schema, name) for is_extension, schema, name in found if not is_extension and schema not in left.values()
    )
    _whole_trees(await _rows(connection, TREES, {"encodings_differ": False}), relations, left.values(), names)
    if len(left) > MOST_SCHEMAS:
        raise CannotExclude(
            f"The patterns exclude {len(left):,} schemas.",
            why=f"pg_dump takes at most {MOST_SCHEMAS:,}.", fix="Move in parts, or drop schemas on the source.",
        )  # fmt: skip
    if len(names) > MOST_NAMED:
        raise CannotExclude(
            f"The patterns exclude {len(names):,} tables, views and sequences one by one.",
            why=f"pg_dump takes at most {MOST_NAMED:,}.", fix="Exclude their schemas as a whole.",
        )  # fmt: skip
    excluded = Excluded(tuple(left.values()), names, tuple(name for is_extension, _, name in found if is_extension))
    bodies = await _rows(connection, BODIES, chosen)
    stay = {name for _, schema, name, _ in relations if not excluded.has(schema, name)}
    gone = [(schema, name) for _, schema, name, _ in relations if excluded.has(schema, name)]
    return Excluded(excluded.schemas, excluded.tables, excluded.extensions, mentioning(bodies, gone, stay))


def mentioning(bodies: Sequence[tuple[str, str]], gone: Collection[Name], stay: Collection[str]) -> tuple[str, ...]:
    """The functions whose text contains one of these names. A name without a schema counts only if no remaining table has it."""
    wanted = {f"{schema}.{name}" for schema, name in gone} | {name for _, name in gone if name not in stay}
    odd = [f'"{name}"' for name in wanted if not WORDS.fullmatch(name)]
    return tuple(
        function
        for function, text in bodies
        if not wanted.isdisjoint(_names_in(text)) or any(name in text for name in odd)
    )


def _names_in(text: str) -> set[str]:
    """Its words, and words joined by a dot, both as written and in lower case."""
    found = set[str]()
    for joined in WORDS.findall(text.replace('"', "")):
        words = joined.split(".")
        found.update(words, map(".".join, pairwise(words)))
    return found | {name.lower() for name in found}


async def _rows(connection: Connection, query: str, parameters: Any) -> list[Any]:
    return await (await connection.execute(query.encode(), parameters)).fetchall()


def _schemas(filters: Filters, schemas: dict[int, str]) -> dict[int, str]:
    """The excluded schemas, by oid."""
    names = list(schemas.values())
    only = _matched("--only-schema", filters.only_schemas, names, _of_schema) if filters.only_schemas else set(names)
    without = _matched("--exclude-schema", filters.exclude_schemas, names, _of_schema)
    left = {oid: name for oid, name in schemas.items() if name not in only or name in without}
    if len(left) == len(schemas):
        raise CannotExclude(
            "Nothing would be moved.", why="The patterns exclude every schema.", fix="Keep at least one."
        )
    return left


def _tables(filters: Filters, relations: list[Any], schemas: list[str]) -> dict[int, int]:
    """The named relations: oid to index in `relations`."""
    found = dict[int, int]()
    for text in filters.exclude_tables:
        of_schema, of_name = table_pattern(text)
        named = [at for at, one in enumerate(relations) if is_match(of_name, one[2])]
        matched = [at for at in named if is_match(of_schema, relations[at][1])]
        if not matched:
            inside = [at for at, one in enumerate(relations) if is_match(of_schema, one[1])]
            raise _no_match("--exclude-table", text, [f"{relations[at][1]}.{relations[at][2]}" for at in named or inside] or
                            [f"{name}.*" for name in schemas])  # fmt: skip
        found |= {relations[at][0]: at for at in matched}
    return found


def _of_schema(text: str, name: str) -> bool:
    return is_match(schema_pattern(text), name)


def _matched(
    option: str, patterns: Sequence[str], names: Sequence[str], matches: Callable[[str, str], bool]
) -> set[str]:
    found = set[str]()
    for text in patterns:
        matched = [name for name in names if matches(text, name)]
        if not matched:
            raise _no_match(option, text, names)
        found.update(matched)
    return found


def _no_match(option: str, text: str, there: Sequence[str]) -> CannotExclude:
    return CannotExclude(
        f"{option} {text!r} matches nothing on the source.",
        why=f"The source has: {_some(there)}.",
        fix="Correct the pattern. Write a table outside schema public as SCHEMA.TABLE, and put a name with capitals or "
        "special characters in double quotes.",
    )


def _needed(needing: Sequence[tuple[str, str]]) -> CannotExclude:
    return CannotExclude(
        "An object to be moved depends on an excluded one.",
        why=f"{_some([f'{one} needs {other}' for one, other in needing], separator='; ')}.",
        fix="Exclude the dependent object too, keep what it needs, or drop it on the source.",
    )


def _whole_trees(rows: list[Any], relations: list[Any], schemas: Collection[str], names: Sequence[Name]) -> None:
    """A row that the target puts into another partition has no place if that partition is excluded."""
    places = {oid: (schema, name) for oid, schema, name, _ in relations}
    left_out = {oid for oid, place in places.items() if place in names or place[0] in schemas}
    for tree in trees_of(rows):
        if (gone := tree.leaves & left_out) and tree.root not in left_out:
            raise _needed([(".".join(tree.place), f"its partition {'.'.join(places[min(gone)])}")])


def _some(names: Sequence[str], separator: str = ", ") -> str:
    shown = separator.join(ascii(name)[1:-1] if not name.isprintable() else name for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else "") if names else "nothing"
