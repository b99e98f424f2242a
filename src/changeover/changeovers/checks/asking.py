"""Opens both servers, runs every check, and reports what a check can't read as `unknown`."""

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
from changeover.changeovers.checks.clients import sample_clients
from changeover.changeovers.checks.finding import CHECKS, Answer, Check, Finding, failed, in_order, unknown
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.reporting import report
from changeover.changeovers.checks.side import open_side
from changeover.errors.elsewhere import CheckFailed, PooledAddress
from changeover.postgres.connect import Connection
from changeover.postgres.installations import Installation, find_installations
from changeover.postgres.location import Location
from changeover.postgres.progress import Progress, Tell
from changeover.postgres.reaching import reach

log = logging.getLogger(__name__)

AFTER_SAMPLING = frozenset({"C27", "C28", "T10"})
"""These need the clients that were connected to the source during the sample."""
BEFORE_SAMPLING = frozenset({"S3"})
"""Uses the session that samples clients afterwards."""
NAME = "changeover check"
UNREADABLE = 100000
"""Servers with a lower version number lack what the first queries need."""


class TooOld(Exception):
    """With the version's name."""


async def check(
    source: Location, target: Location | None = None, *, sample_s: float = 5, tell: Tell | None = None,
    mark: str | None = None, installations: Sequence[Path] = (),
) -> Checked:  # fmt: skip
    """Check both for about `sample_s`, with two sessions on the source and one on the target; all are read-only.

    `mark` is that of a migration: what it left on the target is allowed. `installations` are folders of PostgreSQL installations
    in addition to those that are found automatically. Raises ServerUnreachable, LoginRefused, NotTrusted if a side can't be
    opened, ConnectionLost if a connection is lost later, CheckFailed if even the first queries fail.
    """
    try:
        offered = await asyncio.to_thread(find_installations, installations)
        async with opened(source, target, offered, mark) as look:
            return await _ask_all(look, sample_s, tell)
    except psycopg.errors.CharacterNotInRepertoire as failure:
        raise CheckFailed(
            "A name, a comment or a definition in the database is not valid UTF-8.",
            why=f"An SQL_ASCII database accepts any bytes. {failure.diag.message_primary}",
            fix="Rename it on the source: SET client_encoding = 'SQL_ASCII'; SELECT classid::regclass, objid, objsubid"
            r" FROM pg_depend WHERE "
            r"(pg_identify_object(classid, objid, objsubid)).identity ~ '[\x80-\xff]' lists the objects.",
        ) from failure
    except psycopg.Error as failure:
        raise CheckFailed(
            "The server could not be checked.",
            why=failure.diag.message_primary or type(failure).__name__,
            fix="Check with a login that may read the catalogs, or when the server is less busy.",
        ) from failure
    except TooOld as old:
        return Checked((CHECKS["S1"].finding(server.too_old(str(old))),))
    except PooledAddress as pooled:
        return Checked((CHECKS["S3"].finding(failed(pooled.what, pooled.why, pooled.fix)),))


@asynccontextmanager
async def opened(
    source: Location, target: Location | None, offered: Sequence[Installation] | None = None, mark: str | None = None
) -> AsyncIterator[Look]:
    """Opens both servers for checks."""
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
    """A read-only session. Texts arrive as UTF-8 whatever the database's encoding is, even SQL_ASCII."""
    async with reach(location, application_name=NAME) as connection:
        await connection.execute("SET client_encoding TO 'UTF8'")
        yield connection


async def _ask_all(look: Look, sample_s: float, tell: Tell | None) -> Checked:
    """Runs all checks while one session of the source samples the clients."""
    checks = in_order(one for one in CHECKS.values() if one.about != "target" or look.target is not None)
    findings: list[Finding] = []

    async def ask_those(some: list[Check]) -> None:
        for one in some:
            if tell is not None:
                done = len({finding.id for finding in findings})
                await tell(Progress("check", says=one.title, things_done=done, things_total=len(checks)))
            findings.extend(await ask(one, look))

    await ask_those([one for one in checks if one.id in BEFORE_SAMPLING])
    sampling = asyncio.create_task(sample_clients(look.other, _pids(look), sample_s=sample_s))
    try:
        await _measure(look)
        await ask_those([one for one in checks if one.id not in BEFORE_SAMPLING | AFTER_SAMPLING])
        look.sample = await sampling
    finally:
        sampling.cancel()
        with suppress(asyncio.CancelledError, psycopg.Error):
            await sampling
    await ask_those([one for one in checks if one.id in AFTER_SAMPLING])
    position = {one.id: number for number, one in enumerate(checks)}
    return await report(look, sorted(findings, key=lambda finding: position[finding.id]))


async def ask(one: Check, look: Look) -> list[Finding]:
    """The check's findings. No answer means `passed`. If it fails, the result is `unknown`, whatever it answered before."""
    answers: list[Answer] = []
    try:
        answers = [answer async for answer in one.looks(look)]
    except psycopg.Error as failure:
        if any(connection.closed for connection in _connections(look)):
            raise
        answers = [_not_seen(one, look, failure)]
    except Exception as failure:
        log.exception("check %s failed", one.id)
        answers = [unknown(f"Not checked: {one.title}.", f"The check itself failed ({type(failure).__name__}).")]
    return [one.finding(answer) for answer in answers or [Answer("passed", f"{one.title}.")]]


def _not_seen(one: Check, look: Look, failure: psycopg.Error) -> Answer:
    said = failure.diag.message_primary or type(failure).__name__
    login = (look.there if one.about == "target" else look.source).identity.login
    if isinstance(failure, psycopg.errors.InsufficientPrivilege):
        return unknown(f"Not checked: {one.title}.", f"{login} has no right to see it: {said}.",
                       f"Check with a login that may, such as a member of pg_monitor: GRANT pg_monitor TO {login};")  # fmt: skip
    if isinstance(failure, (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)):
        return unknown(
            f"Not checked: {one.title}.", f"It took too long: {said}.", "Check again when the server is less busy."
        )
    return unknown(f"Not checked: {one.title}.", f"The server answered: {said}.")


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
    """Of our sessions on the source. The target's process ids are not included, because they can match others here."""
    return [look.other.info.backend_pid, look.source.connection.info.backend_pid]
