"""Opens both servers, asks every check, and makes of what a check can't see an `unknown`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import psycopg

from changeover.changeovers.checks import (  # noqa: F401 - each registers its checks
    access,
    build,
    code,
    compiled,
    conditions,
    contents,
    default_privileges,
    expressions,
    extension_places,
    foreign_data,
    line,
    orphans,
    partitions,
    server,
    settings,
    stored_names,
    superusers,
    values,
    versions,
    views,
)  # fmt: skip
from changeover.changeovers.checks.checked import Checked
from changeover.changeovers.checks.finding import CHECKS, Answer, Check, Finding, failed, in_order, unknown
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.reporting import report
from changeover.changeovers.checks.side import open_side
from changeover.changeovers.checks.visitors import watch
from changeover.errors.elsewhere import CheckFailed, PooledAddress
from changeover.postgres.connect import Connection
from changeover.postgres.installations import Installation, find_installations
from changeover.postgres.location import Location
from changeover.postgres.progress import Progress, Tell
from changeover.postgres.reaching import reach

log = logging.getLogger(__name__)

AFTER_WATCHING = frozenset({"C27", "C28", "T10"})
"""These ask who was seen at the source."""
BEFORE_WATCHING = frozenset({"S3"})
"""Takes the session that watches afterwards."""
NAME = "changeover check"
UNREADABLE = 100000
"""Servers older than this version number don't have what the first look asks for."""


class TooOld(Exception):
    """With the version's name."""


async def check(
    source: Location, target: Location | None = None, *, sample_s: float = 5, tell: Tell | None = None,
    mark: str | None = None, installations: Sequence[Path] = (),
) -> Checked:  # fmt: skip
    """Look at both for about `sample_s`, with two sessions on the source and one on the target; both are read-only.

    `mark` names a migration: what it has left on the target is no obstacle. `installations` are folders of PostgreSQLs
    beside those that are found without being told. Raises ServerUnreachable, LoginRefused,
    NotTrusted for a side that can't be entered, ConnectionLost when one goes away meanwhile, CheckFailed when even the first
    look is refused.
    """
    try:
        offered = await asyncio.to_thread(find_installations, installations)
        async with opened(source, target, offered, mark) as look:
            return await _ask_all(look, sample_s, tell)
    except psycopg.errors.CharacterNotInRepertoire as failure:
        raise CheckFailed(
            "A name, a comment or a definition in the database is no text in UTF-8.",
            why=f"A database in SQL_ASCII takes any bytes. {failure.diag.message_primary}",
            fix="Rename it on the source: SET client_encoding = 'SQL_ASCII'; SELECT classid::regclass, objid, objsubid"
            r" FROM pg_depend WHERE "
            r"(pg_identify_object(classid, objid, objsubid)).identity ~ '[\x80-\xff]' lists what has other characters.",
        ) from failure
    except psycopg.Error as failure:
        raise CheckFailed(
            "The server could not be looked at.",
            why=failure.diag.message_primary or type(failure).__name__,
            fix="Check with a login that may read the catalogs, or in a quieter hour.",
        ) from failure
    except TooOld as old:
        return Checked((CHECKS["S1"].finding(server.too_old(str(old))),))
    except PooledAddress as pooled:
        return Checked((CHECKS["S3"].finding(failed(pooled.what, pooled.why, pooled.fix)),))


@asynccontextmanager
async def opened(
    source: Location, target: Location | None, offered: Sequence[Installation] | None = None, mark: str | None = None
) -> AsyncIterator[Look]:
    """Both servers, ready to be asked."""
    async with AsyncExitStack() as stack:
        first, other = [await stack.enter_async_context(_session(source)) for _ in range(2)]
        if first.info.server_version < UNREADABLE:
            raise TooOld(f"PostgreSQL {first.info.parameter_status('server_version')}")
        there = await stack.enter_async_context(_session(target)) if target else None
        here = list(offered) if offered is not None else await asyncio.to_thread(find_installations)
        yield Look(
            source=await open_side("source", source, first),
            other=other,
            target=await open_side("target", target, there) if target and there else None,
            offered=here,
            mark=mark,
        )


@asynccontextmanager
async def _session(location: Location) -> AsyncIterator[Connection]:
    """Read-only; texts come as UTF-8 whatever the database's encoding is, or is not."""
    async with reach(location, application_name=NAME) as connection:
        await connection.execute("SET client_encoding TO 'UTF8'")
        yield connection


async def _ask_all(look: Look, sample_s: float, tell: Tell | None) -> Checked:
    """While one session of the source watches who comes, the others ask."""
    checks = in_order(one for one in CHECKS.values() if one.about != "target" or look.target is not None)
    findings: list[Finding] = []

    async def ask_those(some: list[Check]) -> None:
        for one in some:
            if tell is not None:
                done = len({finding.id for finding in findings})
                await tell(Progress("check", says=one.title, things_done=done, things_total=len(checks)))
            findings.extend(await ask(one, look))

    await ask_those([one for one in checks if one.id in BEFORE_WATCHING])
    watching = asyncio.create_task(watch(look.other, _pids(look), sample_s=sample_s))
    try:
        await _measure(look)
        await ask_those([one for one in checks if one.id not in BEFORE_WATCHING | AFTER_WATCHING])
        look.visitors = await watching
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError, psycopg.Error):
            await watching
    await ask_those([one for one in checks if one.id in AFTER_WATCHING])
    position = {one.id: number for number, one in enumerate(checks)}
    return await report(look, sorted(findings, key=lambda finding: position[finding.id]))


async def ask(one: Check, look: Look) -> list[Finding]:
    """Its answers; nothing said is `passed`. What goes wrong in it is `unknown`, whatever was said before."""
    answers: list[Answer] = []
    try:
        answers = [answer async for answer in one.looks(look)]
    except psycopg.Error as failure:
        if any(connection.closed for connection in _connections(look)):
            raise
        answers = [_not_seen(one, look, failure)]
    except Exception as failure:
        log.exception("check %s failed", one.id)
        answers = [unknown(f"Not found out: {one.title}.", f"The check itself failed ({type(failure).__name__}).")]
    return [one.finding(answer) for answer in answers or [Answer("passed", f"{one.title}.")]]


def _not_seen(one: Check, look: Look, failure: psycopg.Error) -> Answer:
    said = failure.diag.message_primary or type(failure).__name__
    login = (look.there if one.about == "target" else look.source).identity.login
    if isinstance(failure, psycopg.errors.InsufficientPrivilege):
        return unknown(f"Not found out: {one.title}.", f"{login} may not see it: {said}.",
                       f"Check with a login that may, such as a member of pg_monitor: GRANT pg_monitor TO {login};")  # fmt: skip
    if isinstance(failure, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)):
        return unknown(f"Not found out: {one.title}.", f"It took too long: {said}.", "Check again in a quieter hour.")
    return unknown(f"Not found out: {one.title}.", f"The server answered: {said}.")


async def _measure(look: Look) -> None:
    for side in look.sides:
        try:
            look.lines[side.name] = await line.measure(side.connection)
        except psycopg.Error:
            if side.connection.closed:
                raise


def _connections(look: Look) -> list[Connection]:
    return [look.other, *(side.connection for side in look.sides)]


def _pids(look: Look) -> list[int]:
    """Of our sessions on the source; process ids of the target's server mean somebody else there."""
    return [look.other.info.backend_pid, look.source.connection.info.backend_pid]
