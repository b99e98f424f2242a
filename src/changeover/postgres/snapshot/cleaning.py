"""Removes what a migration created on the target, from any state: only what the ledger lists as new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import sql

from changeover.errors import ChangeoverError
from changeover.errors.elsewhere import CheckFailed, TransferFailed
from changeover.postgres import ending
from changeover.postgres.connect import Connection
from changeover.postgres.location import handed_over
from changeover.postgres.snapshot.database import put_back_database
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.ledger import WAS_THERE, Ledger, read_ledger
from changeover.postgres.snapshot.memberships import take_back_memberships
from changeover.postgres.snapshot.rights_before import Rights, put_back_rights, rights_in
from changeover.postgres.snapshot.sessions import is_lost, one_line, writing
from changeover.postgres.snapshot.settings import reset_settings

DROPPED: Final = {
    "event trigger": "EVENT TRIGGER", "transform": "TRANSFORM",
    "extension": "EXTENSION", "schema": "SCHEMA", "language": "LANGUAGE", "cast": "CAST", "server": "SERVER",
    "foreign-data wrapper": "FOREIGN DATA WRAPPER", "access method": "ACCESS METHOD", "table": "TABLE", "view": "VIEW",
    "materialized view": "MATERIALIZED VIEW", "foreign table": "FOREIGN TABLE", "sequence": "SEQUENCE", "type": "TYPE",
    "composite type": "TYPE", "function": "ROUTINE", "procedure": "ROUTINE", "aggregate": "ROUTINE",
    "operator": "OPERATOR", "operator class": "OPERATOR CLASS", "operator family": "OPERATOR FAMILY",
    "collation": "COLLATION", "conversion": "CONVERSION", "statistics object": "STATISTICS",
    "text search configuration": "TEXT SEARCH CONFIGURATION", "text search dictionary": "TEXT SEARCH DICTIONARY",
    "text search parser": "TEXT SEARCH PARSER", "text search template": "TEXT SEARCH TEMPLATE",
}  # fmt: skip
"""Object types of pg_identify_object, and how DROP names them.

In this order: event triggers would fire for the others, and extensions take their members with them.
"""
NEW_KINDS: Final = ("event trigger", "transform")
"""An older version's ledger doesn't record which of these existed before. It has no rights either."""
AT_ONCE: Final = 500
IDENTIFIED: Final = """
SELECT i.type, coalesce('FOR ' || pg_catalog.format_type(t.trftype, NULL) || ' LANGUAGE ' || quote_ident(l.lanname), i.identity)
  FROM unnest(%s::bigint[], %s::bigint[]) o (class, oid)
  JOIN LATERAL pg_catalog.pg_identify_object(o.class::oid, o.oid::oid, 0) i ON true
  LEFT JOIN pg_catalog.pg_transform t ON i.type = 'transform' AND t.oid = o.oid
  LEFT JOIN pg_catalog.pg_language l ON l.oid = t.trflang
 WHERE i.identity IS NOT NULL
"""


async def clean(job: Job) -> list[str]:
    """Remove everything that this job's migration created. Returns what could not be removed, one line each. Repeatable.

    The source needs no cleanup: our sessions there end with the program, and it was never written to.
    """
    target = handed_over(job.target)
    try:
        async with writing(target, f"changeover:{job.run} abort") as connection:
            ledger = await _own_ledger(connection, job)
            if ledger is None:
                return []
            await _end_ours(connection, job)
            return await drop_what_was_made(connection, ledger, keeps_ledger=False)
    except (ChangeoverError, psycopg.Error, OSError) as failure:
        if not is_lost(failure):
            raise
        why = failure.why if isinstance(failure, ChangeoverError) else one_line(failure)
        return [f"{target} does not answer ({why}): schema _changeover there lists what was made in it."]


async def _own_ledger(connection: Connection, job: Job) -> Ledger | None:
    """None if there is no ledger, or only another migration's. The ledger is created first, so nothing else was created."""
    try:
        return await read_ledger(connection, job.mark)
    except CheckFailed:
        return None


async def forget_ledger(job: Job) -> None:
    """Keep what was created for good. Raises ServerUnreachable, LoginRefused, ConnectionLost."""
    async with writing(handed_over(job.target), f"changeover:{job.run} end") as connection:
        await connection.execute("DROP SCHEMA IF EXISTS _changeover CASCADE")


async def _end_ours(connection: Connection, job: Job) -> None:
    run = job.run.rpartition(":")[0] or job.run
    await ending.end(connection, await ending.left_behind(connection, f"changeover:{run}:", " copy"))


async def drop_what_was_made(target: Connection, ledger: Ledger, *, keeps_ledger: bool) -> list[str]:
    """Drops objects and large objects. Without `keeps_ledger` also roles, settings, changed rights, and the ledger itself.

    Raises TransferFailed if objects remain for a reason other than a lost connection.
    """
    noted = ledger.of("before")
    before = {tuple(one) for one in noted["objects"]["objects"]}
    kinds = [kind for kind in DROPPED if "rights and defaults" in noted or kind not in NEW_KINDS]
    while made := await _made_since(target, before, kinds):
        if not await _drop_some(target, made):
            raise TransferFailed(
                "What was created on the target can't be removed.",
                why=f"These objects remain: {', '.join(f'{kind} {name}' for kind, name in made[:5])}.",
                fix="Drop what depends on them, or drop the database.",
            )
    await _unlink_large_objects(target)
    remaining = await put_back_rights(target, noted.get("rights and defaults", {}))
    if keeps_ledger:
        async with target.transaction():
            kept = {"before", "role", "membership", "setting", "moment"}
            await ledger.forget(target, *({kind for kind, _ in ledger.rows} - kept))
        return remaining
    await _put_back_public(target, noted.get("public", {}))
    await reset_settings(target, ledger)
    await put_back_database(target, noted.get("database", {}).get("was", {}))
    await take_back_memberships(target, ledger)
    remaining += await _drop_roles(target, ledger)
    if not remaining:
        await target.execute("DROP SCHEMA _changeover CASCADE")
    return remaining


async def _made_since(target: Connection, before: set[tuple[Any, ...]], kinds: Sequence[str]) -> list[tuple[str, str]]:
    """Kind and SQL identity of new objects, in the order of `kinds`."""
    now = [tuple(row) for row in await (await target.execute(WAS_THERE)).fetchall()]
    new = [one for one in now if one not in before and one[1] >= 16384]
    found = await target.execute(IDENTIFIED, [[one[0] for one in new], [one[1] for one in new]])
    made = [(kind, identity) for kind, identity in await found.fetchall() if kind in kinds]
    return sorted(made, key=lambda one: kinds.index(one[0]))


async def _drop_some(target: Connection, made: Sequence[tuple[str, str]]) -> bool:
    """Each separately, many in a transaction. True if some were dropped, directly or with others."""
    dropped = 0
    for start in range(0, len(made), AT_ONCE):
        async with target.transaction():
            for kind, identity in made[start : start + AT_ONCE]:
                try:
                    async with target.transaction():
                        await target.execute(f"DROP {DROPPED[kind]} IF EXISTS {identity} CASCADE".encode())
                except psycopg.Error as refused:
                    if is_lost(refused):
                        raise
                    continue
                dropped += 1
    return dropped > 0


async def _unlink_large_objects(target: Connection) -> None:
    """All of them, because the target had none before."""
    while True:
        done = await target.execute(
            "SELECT lo_unlink(oid) FROM (SELECT oid FROM pg_catalog.pg_largeobject_metadata LIMIT 2000) few"
        )
        if not done.rowcount:
            return


async def _put_back_public(target: Connection, was: dict[str, Any]) -> None:
    """Restore the owner, rights and comment of schema public."""
    if not was:
        return
    await target.execute(sql.SQL("ALTER SCHEMA public OWNER TO {}").format(sql.Identifier(was["owner"])))
    await target.execute(sql.SQL("COMMENT ON SCHEMA public IS {}").format(sql.Literal(was["comment"])))
    found = await target.execute(
        "SELECT coalesce(nspacl, acldefault('n', nspowner))::text[], acldefault('n', nspowner)::text[]"
        " FROM pg_catalog.pg_namespace WHERE nspname = 'public'"
    )
    for now, usual in await found.fetchall():
        then = usual if was["rights"] is None else was["rights"]
        given, wanted = await rights_in(target, now), await rights_in(target, then)
        for statement in Rights("", "SCHEMA public", None, given, wanted).statements(wanted):
            await target.execute(statement)


async def _drop_roles(target: Connection, ledger: Ledger) -> list[str]:
    """Drop the roles that we created, with their rights here. A role that is used elsewhere stays and is reported."""
    remaining = []
    for role in ledger.of("role"):
        name = sql.Identifier(role)
        if not (await target.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [role])).rowcount:
            continue
        try:
            async with target.transaction():
                await target.execute(sql.SQL("DROP OWNED BY {}").format(name))
                await target.execute(sql.SQL("DROP ROLE {}").format(name))
                await target.execute("DELETE FROM _changeover.done WHERE kind = 'role' AND name = %s", [role])
        except psycopg.Error as refused:
            if is_lost(refused):
                raise
            remaining.append(f"Role {role} on the target: {one_line(refused)}")
    return remaining
