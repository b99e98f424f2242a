"""Checks of views that can't be created on the target: they read themselves, or what a newer PostgreSQL removed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg
from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, failed, named, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import Side
from changeover.postgres.self_reading import SELF_READING

MOST_TRIED = 300
"""Views of catalogs that are tried on the target."""
_NAMED = "SELECT name, relkind::text FROM mine WHERE oid = ANY (%(oids)s) ORDER BY 1"
_COLUMNS = """
SELECT DISTINCT mine.name, mine.relkind::text, coalesce(e.extname, ''), n.nspname::text, c.relname::text,
       coalesce(a.attname, '')::text
  FROM mine JOIN pg_rewrite r ON r.ev_class = mine.oid
  JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
  JOIN pg_class c ON c.oid = d.refobjid AND c.oid <> mine.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid AND a.attnum > 0
  LEFT JOIN pg_depend part ON part.classid = d.refclassid AND part.objid = c.oid AND part.deptype = 'e'
  LEFT JOIN pg_extension e ON part.refclassid = 'pg_extension'::regclass AND e.oid = part.refobjid
 WHERE mine.relkind IN ('v', 'm') AND (e.oid IS NOT NULL OR n.nspname IN ('pg_catalog', 'information_schema'))"""
_FUNCTIONS = """
SELECT DISTINCT mine.name, mine.relkind::text, found.called[1]::oid::regprocedure::text
  FROM mine JOIN pg_rewrite r ON r.ev_class = mine.oid,
       regexp_matches(r.ev_action::text, ':(?:funcid|opfuncid) (\\d+)', 'g') found (called)
 WHERE mine.relkind IN ('v', 'm') AND found.called[1]::oid BETWEEN 1 AND 16383"""
_OF_CATALOGS = """
SELECT mine.name, mine.relkind::text, pg_get_viewdef(mine.oid)
  FROM mine WHERE relkind IN ('v', 'm') AND mine.oid <> ALL (%(without)s) AND NOT EXISTS (
       SELECT FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = mine.oid AND d.refobjid >= 16384 AND (d.refclassid, d.refobjid) <> ('pg_class'::regclass, mine.oid))
 ORDER BY 1 LIMIT %(most)s"""
_KNOWN = """
SELECT coalesce(e.extname, ''), n.nspname::text, c.relname::text, coalesce(a.attname, '')::text
  FROM unnest(%(extensions)s::text[], %(schemas)s::text[], %(relations)s::text[]) w (extension, schema, relation)
  JOIN pg_class c ON c.relname = w.relation JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_depend part ON part.classid = 'pg_class'::regclass AND part.objid = c.oid AND part.deptype = 'e'
  LEFT JOIN pg_extension e ON e.oid = part.refobjid
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE CASE WHEN w.extension = '' THEN n.nspname = w.schema ELSE e.extname = w.extension END"""
_MISSING = (psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction)


@check("C35", "No view reads itself")
async def self_reading(look: Look) -> Answers:
    for name, kind in await look.source.rows(_NAMED, oids=await _self_reading(look.source)):
        yield warning(
            f"On the source, the view {name} reads itself.",
            "No statement can create such a view, and reading it fails. The migration leaves it out with everything that "
            "depends on it.",
            f"{_drop(name, kind)}; or replace it by a correct definition.",
            _definition(name),
        )


async def _self_reading(side: Side) -> list[int]:
    return [row[0] for row in await (await side.connection.execute(SELF_READING)).fetchall()]


@check("T20", "The target has the system columns and functions that views use", "target")
async def gone(look: Look) -> Answers:
    """Mostly views of statistics, whose columns newer versions rename, move and remove."""
    source, lost = look.source, dict[tuple[str, str], set[str]]()
    columns = await source.rows(_COLUMNS)
    async with _with_extensions(look.there, sorted({row[2] for row in columns} - {""})) as made:
        known = await _known(look.there, columns)
    for name, kind, extension, schema, relation, column in columns:
        if (not extension or extension in made) and not _is_known(known, extension, schema, relation, column):
            lost.setdefault((name, kind), set()).add(f"{relation}.{column}" if column else relation)
    functions = await source.rows(_FUNCTIONS)
    there = await _existing(look.there, sorted({row[2] for row in functions}))
    for name, kind, function in functions:
        if function not in there:
            lost.setdefault((name, kind), set()).add(function)
    without = await _self_reading(source)
    for name, kind, definition in await source.rows(_OF_CATALOGS, most=MOST_TRIED, without=without):
        if (name, kind) not in lost and (why := await _missing(look.there, definition)):
            lost[name, kind] = {why}
    for (name, kind), what in sorted(lost.items()):
        yield failed(
            f"The source's view {name} uses what the target (PostgreSQL {look.there.identity.major}) does not have: "
            f"{named(sorted(what))}.",
            "The target refuses to create it.",
            f"On the source: {_drop(name, kind)}; and create it on the target after the move, adapted to the newer version.",
            _definition(name),
        )  # fmt: skip


def _drop(name: str, kind: str) -> str:
    return f"DROP {'MATERIALIZED ' if kind == 'm' else ''}VIEW {name}"


def _definition(name: str) -> str:
    return sql.SQL("SELECT pg_get_viewdef({}::regclass);").format(sql.Literal(name)).as_string()


def _is_known(known: set[tuple[str, ...]], *wanted: str) -> bool:
    extension, schema, relation, column = wanted
    return any(
        one[0] == extension and (extension or one[1] == schema) and one[2] == relation and column in ("", one[3])
        for one in known
        if one[2] == relation
    )


async def _known(side: Side, columns: Sequence[Sequence[str]]) -> set[tuple[str, ...]]:
    wanted = sorted({tuple(row[2:5]) for row in columns})
    extensions, schemas, relations = ([one[place] for one in wanted] for place in range(3))
    return {tuple(row) for row in await side.rows(_KNOWN, extensions=extensions, schemas=schemas, relations=relations)}


async def _existing(side: Side, functions: list[str]) -> set[str]:
    query = "SELECT f FROM unnest(%(functions)s::text[]) f WHERE to_regprocedure(f) IS NOT NULL"
    return set(await side.names(query, functions=functions))


@asynccontextmanager
async def _with_extensions(side: Side, names: list[str]) -> AsyncIterator[set[str]]:
    """Creates the extensions that the target doesn't have yet, for the time being. T5 reports those that it can't create."""
    made = {one.name for one in side.extensions}
    async with side.connection.transaction(force_rollback=True):
        if set(names) <= made:
            yield made
            return
        await side.connection.execute("SET TRANSACTION READ WRITE")
        await side.connection.execute("CREATE SCHEMA _changeover_probe; SET LOCAL search_path = _changeover_probe")
        for name in sorted(set(names) - made):
            statement = sql.SQL("CREATE EXTENSION {} CASCADE").format(sql.Identifier(name))
            try:
                async with side.connection.transaction():
                    await side.connection.execute(statement, prepare=False)
            except psycopg.Error:
                if side.connection.closed:
                    raise
            else:
                made.add(name)
        await side.connection.execute("SET LOCAL search_path = pg_catalog")
        yield made


async def _missing(side: Side, definition: str) -> str | None:
    """What the target lacks for a view that only reads catalogs."""
    view = sql.SQL("CREATE TEMP VIEW _changeover_probe AS {}").format(sql.SQL(definition.rstrip("; \n")))
    try:
        async with side.connection.transaction(force_rollback=True):
            await side.connection.execute("SET TRANSACTION READ WRITE")
            await side.connection.execute(view)
    except _MISSING as refused:
        return refused.diag.message_primary or "an object that it reads"
    except psycopg.Error:
        if side.connection.closed:
            raise
    return None
