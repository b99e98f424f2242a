"""Checks of objects that only a superuser can create on the target, except those in libraries (compiled.py)."""

from __future__ import annotations

from collections import defaultdict

import psycopg

from changeover.changeovers.checks.access import quoted
from changeover.changeovers.checks.finding import Answers, check, failed, named
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import Side
from changeover.changeovers.checks.trying import in_words, refusal_of, room_to_try

_RESERVED = """
SELECT kind, thing
  FROM (SELECT p.tableoid, p.oid, 'leakproof function', p.oid::regprocedure::text
          FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace WHERE proleakproof
        UNION ALL SELECT p.tableoid, p.oid, 'function in an untrusted language', p.oid::regprocedure::text
          FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
         WHERE NOT lanpltrusted AND lanname NOT IN ('c', 'internal')
        UNION ALL SELECT p.tableoid, p.oid, 'function with planner support', p.oid::regprocedure::text
          FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace WHERE prosupport <> 0
        UNION ALL SELECT p.tableoid, p.oid, 'aggregate with internal state', p.oid::regprocedure::text
          FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid JOIN homes ON homes.oid = p.pronamespace
         WHERE 'internal'::regtype IN (aggtranstype, aggmtranstype)
        UNION ALL SELECT f.tableoid, f.oid, 'operator family', format('%%I.%%I USING %%I', nspname, opfname, amname)
          FROM pg_opfamily f JOIN homes ON homes.oid = opfnamespace JOIN pg_am a ON a.oid = opfmethod
        UNION ALL SELECT tableoid, oid, 'access method', quote_ident(amname) FROM pg_am WHERE oid >= 16384
        UNION ALL SELECT tableoid, oid, 'foreign data wrapper', quote_ident(fdwname)
          FROM pg_foreign_data_wrapper WHERE oid >= 16384
        UNION ALL SELECT tableoid, oid, CASE castmethod WHEN 'b' THEN 'cast without function' ELSE 'cast' END,
               format('(%%s AS %%s)', castsource::regtype, casttarget::regtype)
          FROM pg_cast WHERE oid >= 16384 AND (castmethod = 'b' OR NOT EXISTS (
               SELECT FROM pg_type t JOIN homes ON homes.oid = t.typnamespace
                WHERE t.oid IN (castsource, casttarget) AND (t.tableoid, t.oid) NOT IN (SELECT classid, objid FROM brought)))
        UNION ALL SELECT f.tableoid, f.oid, 'transform', format('for %%s language %%I', trftype::regtype, lanname)
          FROM pg_transform f JOIN pg_language l ON l.oid = trflang
         WHERE f.oid >= 16384 AND NOT EXISTS (
               SELECT FROM pg_type t JOIN homes ON homes.oid = t.typnamespace
                WHERE t.oid = trftype AND (t.tableoid, t.oid) NOT IN (SELECT classid, objid FROM brought))
       ) made (class, oid, kind, thing)
 WHERE (class, oid) NOT IN (SELECT classid, objid FROM brought) ORDER BY 1, 2"""
_PROBES = {
    "leakproof function": "CREATE FUNCTION _changeover_probe.one() RETURNS int LEAKPROOF LANGUAGE sql AS 'SELECT 1'",
    "function in an untrusted language": "CREATE FUNCTION _changeover_probe.one() RETURNS int LANGUAGE internal "
    "AS 'pg_backend_pid'",
    "function with planner support": "CREATE FUNCTION _changeover_probe.one(int) RETURNS int LANGUAGE sql "
    "SUPPORT generate_series_int4_support AS 'SELECT 1'",
    "aggregate with internal state": "CREATE AGGREGATE _changeover_probe.one(int8) "
    "(SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = numeric_poly_avg)",
    "operator family": "CREATE OPERATOR FAMILY _changeover_probe.one USING btree",
    "access method": "CREATE ACCESS METHOD _changeover_probe TYPE TABLE HANDLER heap_tableam_handler",
    "foreign data wrapper": "CREATE FOREIGN DATA WRAPPER _changeover_probe",
    "cast": "CREATE CAST (int8 AS date) WITH INOUT",
    "cast without function": "CREATE TYPE _changeover_probe.one AS (); "
    "CREATE CAST (_changeover_probe.one AS int8) WITHOUT FUNCTION",
    "transform": "CREATE TRANSFORM FOR int4 LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal))",
}
"""One statement for each kind. A login without the right is refused, whatever else is wrong with the statement."""
_REFUSED = (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidFunctionDefinition)
_LANGUAGES = """
SELECT l.lanname::text, array_agg(p.oid::regprocedure::text ORDER BY p.oid::regprocedure::text)
  FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
 WHERE lanpltrusted AND (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought) GROUP BY 1"""
_SERVERS = """
SELECT w.fdwname::text, array_agg(quote_ident(s.srvname) ORDER BY s.srvname)
  FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
 WHERE (s.tableoid, s.oid) NOT IN (SELECT classid, objid FROM brought) GROUP BY 1"""
_SET_BY_FUNCTIONS = """
SELECT lower(split_part(one, '=', 1)), array_agg(p.oid::regprocedure::text ORDER BY p.oid::regprocedure::text)
  FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace, unnest(p.proconfig) one
 WHERE (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought) GROUP BY 1"""
_CLOSED_LANGUAGES = "SELECT lanname::text FROM pg_language WHERE NOT has_language_privilege(oid, 'USAGE')"
_CLOSED_WRAPPERS = (
    "SELECT fdwname::text FROM pg_foreign_data_wrapper WHERE NOT has_foreign_data_wrapper_privilege(oid, 'USAGE')"
)
_CLOSED_SETTINGS = "SELECT lower(name) FROM pg_settings WHERE context IN ('superuser', 'superuser-backend')"
HAS_PARAMETER_RIGHTS_SINCE = 15


@check("T23", "The target's login may create all of the source's objects", "target")
async def reserved(look: Look) -> Answers:
    """Tries each in a transaction that is rolled back, because a provider may allow what PostgreSQL reserves for superusers."""
    source, target = look.source, look.there
    if target.identity.is_superuser:
        return
    login, found = target.identity.login, defaultdict[str, list[str]](list)
    for kind, thing in await source.rows(_RESERVED):
        found[kind].append(thing)
    for kind, why in (await _refusals(target, list(found))).items():
        yield failed(
            f"On the target, {login} can't create objects that the source has: {kind} {named(found[kind])}.",
            f"It was tried and rolled back: {why}.",
            f"Move as a superuser of the target; or, if nothing uses it, on the source, for each: "
            f"{_drop(kind, found[kind][0])};",
        )
    closed_settings = _CLOSED_SETTINGS
    if target.identity.major >= HAS_PARAMETER_RIGHTS_SINCE:
        closed_settings += " AND NOT has_parameter_privilege(name, 'SET')"
    for used, closed, what, right in (
        (_LANGUAGES, _CLOSED_LANGUAGES, "functions in the language {}", "USAGE ON LANGUAGE {}"),
        (
            _SERVERS,
            _CLOSED_WRAPPERS,
            "foreign servers of the foreign-data wrapper {}",
            "USAGE ON FOREIGN DATA WRAPPER {}",
        ),
        (_SET_BY_FUNCTIONS, closed_settings, "functions that set {}", "SET ON PARAMETER {}"),
    ):
        refused = set(await target.names(closed))
        for name, things in await source.rows(used):
            if name in refused:
                yield failed(
                    f"On the target, {login} may not create {what.format(name)}. The source has {named(things)}.",
                    f"The login has no right to use {name} on the target.",
                    f"As a superuser of the target: GRANT {right.format(quoted(name))} TO {quoted(login)};",
                )


async def _refusals(side: Side, kinds: list[str]) -> dict[str, str]:
    """Why the target's login may not create objects of these kinds. Kinds that it may create are left out."""
    refused: dict[str, str] = {}
    if not kinds:
        return refused
    async with room_to_try(side.connection):
        for kind in kinds:
            why = await refusal_of(side.connection, _PROBES[kind].encode())
            if isinstance(why, _REFUSED):
                refused[kind] = in_words(why)
    return refused


def _drop(kind: str, thing: str) -> str:
    word = "FUNCTION" if "function" in kind else kind.upper()
    special = {"aggregate with internal state": "AGGREGATE", "cast without function": "CAST"}
    return f"DROP {special.get(kind, word)} {thing}"
