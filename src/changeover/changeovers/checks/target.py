"""Checks of the target: version, contents, rights, size."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import psycopg
from psycopg import sql

from changeover.changeovers.checks.access import may_make_roles, quoted
from changeover.changeovers.checks.finding import Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import OURS, Side
from changeover.quantities import counted, in_bytes

ROOM = 1.5
"""Free disk per byte of the source: for the data, its indexes while they are sorted, and WAL."""
DISPENSABLE = frozenset(
    {"pg_stat_statements", "pg_buffercache", "pg_prewarm", "pg_repack", "pgstattuple", "pg_stat_monitor"}
)
"""They monitor or maintain the server. A database is complete without them."""
_CONTENTS = """
SELECT 'table', name FROM mine WHERE relkind IN ('r', 'p', 'f')
UNION ALL SELECT 'view', name FROM mine WHERE relkind IN ('v', 'm')
UNION ALL SELECT 'sequence', name FROM mine WHERE relkind = 'S'
UNION ALL SELECT 'function', p.oid::regprocedure::text FROM pg_proc p JOIN homes ON homes.oid = pronamespace
 WHERE (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought)
UNION ALL SELECT 'type', quote_ident(nspname) || '.' || quote_ident(typname) FROM pg_type t JOIN homes ON homes.oid = typnamespace
 WHERE typtype IN ('d', 'e', 'r') AND (t.tableoid, t.oid) NOT IN (SELECT classid, objid FROM brought)
UNION ALL SELECT 'schema', quote_ident(nspname) FROM homes
 WHERE nspname <> 'public' AND oid NOT IN (SELECT extnamespace FROM pg_extension)
   AND oid NOT IN (SELECT objid FROM brought WHERE classid = 'pg_namespace'::regclass)
UNION ALL SELECT 'large object', oid::text FROM (SELECT oid FROM pg_largeobject_metadata LIMIT 10) one
LIMIT 1000"""


@check("T1", "The target's version is at least the source's", "target")
async def version(look: Look) -> Answers:
    source, target = look.source.identity, look.there.identity
    if target.major < source.major:
        yield failed(
            f"The target has PostgreSQL {target.major}, the source {source.major}.",
            "An older version can't always read what a newer one writes.",
            f"Use a target with PostgreSQL {source.major} or newer.",
        )
    else:
        yield passed(f"The target is {target.version}.")


@check("T2", "The target is empty", "target")
async def empty(look: Look) -> Answers:
    side = look.there
    if OURS in side.schemas:
        if look.mark is not None and await our_mark(side) == look.mark:
            yield passed("The target contains what this migration has copied so far.")
            return
        yield failed(
            "The target contains what another migration left behind.",
            f"Its schema {OURS} belongs to a migration that was not finished.",
            "Continue that migration, or remove its objects: `changeover migrate SOURCE TARGET --abort`.",
        )  # fmt: skip
        return
    found = await side.rows(_CONTENTS)
    if found:
        kinds = Counter(kind for kind, _ in found)
        yield failed(
            f"The target is not empty: {', '.join(counted(number, kind) for kind, number in kinds.items())}.",
            f"It has {named(name for _, name in found)}. Existing objects are never overwritten or mixed with copied ones.",
            "Use an empty database: CREATE DATABASE …; or, if its contents are not needed, drop it and create it again.",
        )


async def our_mark(side: Side) -> str | None:
    """The migration to which the ledger on the target belongs. None if that can't be read."""
    try:
        rows = await side.rows("SELECT DISTINCT mark FROM _changeover.done")
    except psycopg.Error:
        return None
    return str(rows[0][0]) if len(rows) == 1 else None


@check("T3", "The target has enough free disk space", "target")
async def room(look: Look) -> Answers:
    needed = int(look.source.identity.size_bytes * ROOM)
    free = _free_bytes(look.there)
    if free is None:
        yield warning(
            f"The target's free disk space is unknown. It should be {in_bytes(needed)}.",
            f"The source has {in_bytes(look.source.identity.size_bytes)}; loading temporarily needs {ROOM} times as much.",
            "See your provider's console, and enlarge the disk before the move: many providers allow that only every few hours.",
        )
    elif free < needed:
        yield failed(
            f"The target has {in_bytes(free)} free, and should have {in_bytes(needed)}.",
            f"Loading temporarily needs {ROOM} times the source's size. A full disk stops the target.",
            "Free some space there, or enlarge the disk.",
        )
    else:
        yield passed(f"The target has {in_bytes(free)} free and needs {in_bytes(needed)}.")


def _free_bytes(side: Side) -> int | None:
    """Only if the server runs on this machine: its lock file is here, with its start time. A path alone is no proof."""
    folder = Path(side.value("data_directory"))
    if not folder.is_absolute():
        return None
    try:
        started_at = int((folder / "postmaster.pid").read_text().splitlines()[2])
        is_here = abs(started_at - side.identity.started_at.timestamp()) < 2
        return shutil.disk_usage(folder).free if is_here else None
    except (OSError, ValueError, IndexError):
        return None


@check("T4", "The login may create objects on the target", "target")
async def rights(look: Look) -> Answers:
    """Tries it in a transaction that is rolled back."""
    side, login = look.there, quoted(look.there.identity.login)
    database = quoted(side.identity.database)
    async with side.connection.transaction(force_rollback=True):
        await side.connection.execute("SET TRANSACTION READ WRITE")
        if not await _may(side, sql.SQL("CREATE SCHEMA _changeover_probe CREATE TABLE one (a int)")):
            yield failed(f"{side.identity.login} may not create schemas in {side.identity.database}.",
                         "It was tried and rolled back.",
                         f"GRANT CREATE ON DATABASE {database} TO {login};")  # fmt: skip
        if "public" in side.schemas and not await _may(side, sql.SQL("CREATE TABLE public._changeover_probe (a int)")):
            yield failed(f"{side.identity.login} may not create tables in the schema public.", "It was tried and rolled back.",
                         f"GRANT CREATE ON SCHEMA public TO {login};")  # fmt: skip
        if may_make_roles(side) and not await _may(
            side, sql.SQL("CREATE ROLE _changeover_probe"), sql.SQL("GRANT _changeover_probe TO CURRENT_USER"),
            sql.SQL("SET LOCAL ROLE _changeover_probe"),
        ):  # fmt: skip
            yield warning(f"{side.identity.login} may create roles, but not act for them.",
                          "Objects can't be transferred to them.",
                          "On PostgreSQL 16 or newer: ALTER ROLE … SET createrole_self_grant = 'set, inherit';")  # fmt: skip


async def _may(side: Side, *statements: sql.SQL | sql.Composed) -> bool:
    """Whether the target allows the statements. They are rolled back."""
    try:
        async with side.connection.transaction(force_rollback=True):
            for statement in statements:
                await side.connection.execute(statement)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
        return False
    return True


@check("T5", "The target has the extensions", "target")
async def extensions(look: Look) -> Answers:
    side = look.there
    installed = {one.name: one.version for one in side.extensions}
    if "plpgsql" not in installed and "plpgsql" in {one.name for one in look.source.extensions}:
        yield failed("The target lacks the extension plpgsql.", "It was dropped there. A dump does not create it.",
                     "On the target: CREATE EXTENSION plpgsql;")  # fmt: skip
    for one in look.source.moved_extensions:
        there = {installed[one.name]} if one.name in installed else await available(side, one.name)
        refusal = None
        if one.name not in installed:
            refusal = await _refuses(side, one.name) if there else f"The source has {one.name} {one.version}."
        if refusal and one.name in DISPENSABLE:
            look.left_out.add(one.name)
            yield warning(f"The extension {one.name} is left out.", refusal, "The app should not need it.")
        elif refusal and there:
            yield failed(f"The target doesn't let {side.identity.login} create the extension {one.name}.", refusal,
                         f"As a superuser, or as your provider describes: CREATE EXTENSION {quoted(one.name)};")  # fmt: skip
        elif refusal:
            yield failed(f"The target lacks the extension {one.name}.", refusal, _how_to_get(side, one.name))
        elif as_numbers(newest := max(there, key=as_numbers)) < as_numbers(one.version):
            yield warning(
                f"The extension {one.name} is older on the target: {newest} instead of {one.version}.",
                "Newer features of it would be missing.",
                "Install its newer package on the target.",
            )


async def available(side: Side, name: str) -> set[str]:
    """The versions of an extension that the server can create."""
    return set(await side.names("SELECT version FROM pg_available_extension_versions WHERE name = %(name)s", name=name))


async def _refuses(side: Side, name: str) -> str | None:
    """Tries to create it and rolls back. There is no other way to see a missing right or a library that must be preloaded."""
    try:
        async with side.connection.transaction(force_rollback=True):
            await side.connection.execute("SET TRANSACTION READ WRITE")
            if "public" not in side.schemas:
                await side.connection.execute("CREATE SCHEMA public")
            await side.connection.execute("SET LOCAL search_path = public")
            await side.connection.execute(
                sql.SQL("CREATE EXTENSION {} CASCADE").format(sql.Identifier(name)), prepare=False
            )
    except psycopg.errors.QueryCanceled:
        return "It took too long."
    except psycopg.Error as refused:
        return f"It was tried: {refused.diag.message_primary or 'it was refused'}."
    return None


def _how_to_get(side: Side, name: str) -> str:
    if side.provider.name == "azure":
        return f"Add {name} to the server parameter azure.extensions of the target, then check again."
    return f"Install it on the target's server. Or, if it is not needed, on the source: DROP EXTENSION {quoted(name)};"


def as_numbers(version: str) -> tuple[int, ...]:
    """`1.10` is newer than `1.9`. A part that is not a number counts as 0."""
    return tuple(int(part) if part.isdigit() else 0 for part in version.replace("-", ".").split("."))


@check("T9", "The target is configured to load fast", "target")
async def load_settings(look: Look) -> Answers:
    side = look.there
    if side.value("synchronous_standby_names"):
        yield warning("Each commit on the target waits for a standby.", "Loading is slower by a round trip for each batch.",
                      "Add the standby after the move; or ALTER SYSTEM SET synchronous_standby_names = '';")  # fmt: skip
    if side.number("max_wal_size") < 1024:
        yield warning(f"max_wal_size of the target is {side.number('max_wal_size'):.0f} MB.",
                      "It will checkpoint often during the load.",
                      "ALTER SYSTEM SET max_wal_size = '4GB'; SELECT pg_reload_conf(); and reset it after the move.")  # fmt: skip
    if side.value("fsync") == "off" or side.value("full_page_writes") == "off":
        yield warning("The target does not write safely (fsync or full_page_writes is off).", "A crash can destroy it.",
                      "ALTER SYSTEM SET fsync = on; ALTER SYSTEM SET full_page_writes = on; before it goes live.")  # fmt: skip


@check("T10", "The target allows as many connections", "target")
async def connections(look: Look) -> Answers:
    here, there = (int(side.number("max_connections")) for side in (look.source, look.there))
    used = look.sample.most_at_once
    fix = f"ALTER SYSTEM SET max_connections = {here}; and restart the target; or use a pooler."
    if there < used:
        yield failed(
            f"The target allows {there} connections, and {used} are in use on the source.",
            "Some clients would be refused.",
            fix,
        )
    elif there < here:
        yield warning(
            f"The target allows {there} connections, the source {here}.", f"{used} were in use during this check.", fix
        )
    else:
        yield passed(f"The target allows {there} connections.")


@check("T12", "The target can be written to", "target")
async def writable(look: Look) -> Answers:
    side = look.there
    if side.identity.is_in_recovery:
        yield failed(
            "The target is a standby.", "It only accepts changes from its leader.", "Use its leader's address."
        )
    elif side.value("default_transaction_read_only") == "on":
        yield failed(
            "The target is read-only for this login.", "default_transaction_read_only is on.",
            f"SET default_transaction_read_only = off; ALTER DATABASE {quoted(side.identity.database)} RESET "
            "default_transaction_read_only; (or the role, or the server)",
        )  # fmt: skip


@check("T14", "The target is backed up", "target")
async def backups(look: Look) -> Answers:
    side = look.there
    if side.value("archive_mode") in ("on", "always"):
        ((is_failing,),) = await side.rows(
            "SELECT coalesce(last_failed_time > coalesce(last_archived_time, '-infinity'), false) FROM pg_stat_archiver"
        )
        if is_failing:
            yield warning("The target's WAL archive is failing.", "The last segment could not be archived.",
                          "SELECT * FROM pg_stat_archiver; and the server's log show why.")  # fmt: skip
        else:
            yield passed("The target archives its WAL.")
    else:
        yield warning("There is no sign that the target is backed up.",
                      "It archives no WAL. A provider's backups are not visible.",
                      "Make sure that it is backed up before it goes live.")  # fmt: skip
