"""Checks of extensions that both sides have in different schemas or versions."""

from __future__ import annotations

from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, failed, named, warning
from changeover.changeovers.checks.look import Look

_USED = """
SELECT DISTINCT e.extname FROM pg_depend d
  JOIN pg_depend part ON part.classid = d.refclassid AND part.objid = d.refobjid AND part.deptype = 'e'
  JOIN pg_extension e ON part.refclassid = 'pg_extension'::regclass AND e.oid = part.refobjid
 WHERE d.deptype IN ('n', 'a') AND (d.classid, d.objid) NOT IN (SELECT classid, objid FROM brought)"""
_RELOCATABLE = "SELECT extname FROM pg_extension WHERE extrelocatable"
_BEHIND = """
SELECT e.extname, e.extversion, a.default_version FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname
 WHERE e.extversion <> a.default_version ORDER BY 1"""
_LIST = "SELECT extname, extversion, extnamespace::regnamespace FROM pg_extension;"


@check("T16", "Extensions are in the same schemas on the target", "target")
async def places(look: Look) -> Answers:
    """Definitions from the source qualify names with the source's schema of the extension."""
    source, target = look.source, look.there
    there = {one.name: one.schema for one in target.extensions}
    moved = [one for one in source.moved_extensions if there.get(one.name, one.schema) != one.schema]
    if not moved:
        return
    used, relocatable = set(await source.names(_USED)), set(await target.names(_RELOCATABLE))
    for one in moved:
        name, schema = (sql.Identifier(text).as_string() for text in (one.name, one.schema))
        what = f"The extension {one.name} is in the schema {there[one.name]} on the target, and in {one.schema} on the source."
        makes = "" if one.schema in target.schemas else f"CREATE SCHEMA {schema}; "
        fix = f"On the target: {makes}ALTER EXTENSION {name} SET SCHEMA {schema};"
        if one.name not in relocatable:
            fix = f"On the target: DROP EXTENSION {name}; the migration creates it in {one.schema}."
        if one.name in used:
            yield failed(
                what, f"Definitions from the source refer to it in {one.schema}, where it does not exist.", fix, _LIST
            )
        else:
            yield warning(what, "Nothing in the source depends on it, but function bodies may refer to it.", fix, _LIST)


@check("C34", "Extensions are up to date")
async def versions(look: Look) -> Answers:
    """The target creates its own default version, so the move may also update the extension."""
    moved = {one.name for one in look.source.moved_extensions}
    behind = [row for row in await look.source.rows(_BEHIND) if row[0] in moved]
    if behind:
        update = " ".join(f"ALTER EXTENSION {sql.Identifier(name).as_string()} UPDATE;" for name, *_ in behind[:3])
        yield warning(
            f"On the source, extensions are older than their packages: {named(f'{n} {old} ({new})' for n, old, new in behind)}.",
            "The migration creates the target's default version.",
            f"To try the newer version before the move, on the source: {update}",
            "SELECT * FROM pg_available_extensions WHERE installed_version <> default_version;",
        )
