"""Checks whether the target can create and load functions in machine code, of a library or of PostgreSQL itself."""

from __future__ import annotations

import psycopg
from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, failed, named, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.trying import in_words, refusal_of, room_to_try
from changeover.postgres.reaching import reach

_LOW_LEVEL = """
SELECT says || ' ' || thing
  FROM (SELECT p.tableoid, p.oid, pronamespace, 'function', p.oid::regprocedure::text
          FROM pg_proc p JOIN pg_language l ON l.oid = prolang AND l.lanname IN ('c', 'internal')
         WHERE p.oid NOT IN (SELECT aggfnoid FROM pg_aggregate)
        UNION ALL SELECT tableoid, oid, typnamespace, 'type', oid::regtype::text FROM pg_type
         WHERE typtype IN ('b', 'p') AND oid NOT IN (SELECT typarray FROM pg_type)
        UNION ALL SELECT tableoid, oid, prsnamespace, 'text search parser', prsname FROM pg_ts_parser
        UNION ALL SELECT tableoid, oid, tmplnamespace, 'text search template', tmplname FROM pg_ts_template
        UNION ALL SELECT tableoid, oid, opcnamespace, 'operator class', opcname FROM pg_opclass
       ) made (class, oid, home, says, thing)
 WHERE home IN (SELECT oid FROM homes) AND (class, oid) NOT IN (SELECT classid, objid FROM brought)
   AND (class, oid) NOT IN (SELECT classid, objid FROM pg_depend WHERE deptype = 'i')
 ORDER BY 1"""
_COMPILED = """
SELECT l.lanname::text, coalesce(p.probin, ''), p.prosrc, array_agg(p.oid::regprocedure::text ORDER BY p.oid::regprocedure::text)
  FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace
  JOIN pg_language l ON l.oid = p.prolang AND l.lanname IN ('c', 'internal')
 WHERE p.oid NOT IN (SELECT aggfnoid FROM pg_aggregate) AND (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought)
   AND (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM pg_depend WHERE deptype = 'i')
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"""
_OF_LIBRARY = "SELECT oid::regprocedure, prosrc FROM pg_proc WHERE probin = {};"
_OF_SERVER = """SELECT p.oid::regprocedure, prosrc FROM pg_proc p JOIN pg_language l ON l.oid = prolang
 WHERE lanname = 'internal' AND p.oid >= 16384;"""


@check("C18", "No object needs a separate library")
async def libraries(look: Look) -> Answers:
    found = await look.source.names(_LOW_LEVEL)
    if not found:
        return
    why = "They need a superuser, and the library's file on the target's host."
    fix = "Install the extension that they belong to on the target, or drop them if they are not used."
    if look.target is not None and not look.target.identity.is_superuser:
        yield failed(f"Objects in C, or that only a superuser can create: {named(found)}.", why, fix)
    else:
        yield warning(f"Objects in C, or that only a superuser can create: {named(found)}.", why, fix)


@check("T21", "The target can load the source's compiled functions", "target")
async def compiled(look: Look) -> Answers:
    """Tries each in a transaction that is rolled back. PostgreSQL loads the library when it creates such a function."""
    wanted = await look.source.rows(_COMPILED)
    if not wanted or not look.there.identity.is_superuser:  # C18 reports that only a superuser can create one
        return
    refused: dict[tuple[str, str], list[str]] = {}
    async with (
        reach(look.there.location, application_name="changeover check") as session,
        room_to_try(session),
    ):
        for language, library, symbol, functions in wanted:
            if why := await refusal_of(session, _function(language, library, symbol)):
                refused.setdefault((library, _with_detail(why)), []).extend(functions)
    for (library, refusal), functions in sorted(refused.items()):
        whose = f"the library {library}" if library else "PostgreSQL's own code"
        install = f"Install {library}, built for PostgreSQL {look.there.identity.major}, on the target's host. "
        yield failed(
            f"The target can't create functions of the source that are in {whose}: {named(functions)}.",
            f"It was tried and rolled back: {refusal}.",
            f"{install if library else ''}If nothing uses them, on the source, for each: DROP FUNCTION {functions[0]};",
            sql.SQL(_OF_LIBRARY).format(sql.Literal(library)).as_string() if library else _OF_SERVER,
        )


def _function(language: str, library: str, symbol: str) -> sql.Composed:
    code = [library, symbol] if language == "c" else [symbol]
    return sql.SQL("CREATE FUNCTION _changeover_probe.one() RETURNS void LANGUAGE {} AS {}").format(
        sql.Identifier(language), sql.SQL(", ").join(map(sql.Literal, code))
    )


def _with_detail(refused: psycopg.Error) -> str:
    said = in_words(refused)
    return f"{said} ({refused.diag.message_detail.rstrip('.')})" if refused.diag.message_detail else said
