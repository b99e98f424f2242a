"""Converts formation, release and config to the processes that should run, and lists what is running.

`plan` is pure and decides which dynos should run on which ports. The runtime does the rest.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from uuid import UUID

from changeover.errors import BadRequest, InvalidParams, NotAvailable, RuntimeFailed
from changeover.platform.names import VAR_NAME
from changeover.platform.scope import Parts, Scope
from changeover.runtime.ports import PortPool
from changeover.runtime.runtime import Dyno, DynoState
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import App, DynoRow, FormationRow, Release, Slug

WEB = "web"


TYPE = re.compile(r"[A-Za-z0-9_-]{1,60}")


@dataclass(frozen=True)
class Code:
    """What an app's dynos run now: its newest successful release and that release's code."""

    release: Release
    slug: Slug


async def current_code(db: Db, app_id: UUID) -> Code | None:
    release = await query.one(db, Release, "releases.current", app_id=app_id)
    if release is None or release.slug_id is None:
        return None
    return Code(release, await query.only(db, Slug, "slugs.find", id=release.slug_id))


def plan(
    known: Sequence[DynoRow],
    formation: Sequence[FormationRow],
    code: Code,
    pick_ports: Callable[[int, set[int]], Sequence[int]],
) -> list[DynoRow]:
    """The dynos that should run. One of the current release keeps its port. The others get new ports.

    `pick_ports(count, in_use)` returns ports that no present dyno has, so that successors can start beside predecessors.
    """
    former = {row.name: row for row in known}
    wanted = [
        _one(former.get(f"{row.type}.{number}"), row, f"{row.type}.{number}", code)
        for row in formation
        if row.type in code.slug.commands and row.type != "release"
        for number in range(1, row.quantity + 1)
    ]
    without = [number for number, dyno in enumerate(wanted) if dyno.type == WEB and dyno.port is None]
    in_use = {row.port for row in known if row.port is not None}
    for number, port in zip(without, pick_ports(len(without), in_use) if without else (), strict=True):
        wanted[number] = replace(wanted[number], port=port)
    return wanted


def _one(former: DynoRow | None, row: FormationRow, name: str, code: Code) -> DynoRow:
    version = code.release.version
    if former is not None and former.release == version:
        return former
    restarts = former.restarts if former is not None else 0
    return DynoRow(row.app_id, name, row.type, None, version, restarts, is_stopped=False)


def as_dynos(parts: Parts, app: App, rows: Sequence[DynoRow], sizes: Mapping[str, str], code: Code) -> list[Dyno]:
    """As the runtime takes them, without those that were stopped manually."""
    environment = environment_of_release(parts, code.release)
    return [
        Dyno(
            app=str(app.id), name=row.name, type=row.type, command=code.slug.commands[row.type],
            directory=Path(code.slug.directory), environment=environment, release=row.release, port=row.port,
            size=sizes.get(row.type, ""), restarts=row.restarts,
        )
        for row in rows
        if not row.is_stopped
    ]  # fmt: skip


def environment_of_release(parts: Parts, release: Release) -> dict[str, str]:
    return parts.cipher.decrypt_map(release.environment) if release.environment else {}


async def settle_ports(
    db: Db, parts: Parts, app: App, web: int, *, leftovers: int, in_use: Collection[int]
) -> PortPool:
    """The app's stored port pool, enlarged if needed. `leftovers`: ports of dynos that an interrupted change left.
    `in_use`: ports of all existing dynos of the app.
    """
    taken = set(await query.values(db, "formation.ports_taken")) - set(app.ports)
    pool = PortPool(tuple(app.ports)).grown(web, leftovers, taken=taken, home=parts.home, in_use=in_use)
    if pool.ports != tuple(app.ports):
        await query.execute(db, "formation.remember_ports", app_id=app.id, ports=list(pool.ports))
    return pool


@dataclass(frozen=True)
class Seen:
    """A dyno as `ps` lists it."""

    name: str
    type: str
    state: str
    command: str
    size: str
    release: int
    since: datetime


async def list_dynos(scope: Scope, app: App) -> list[Seen]:
    """The dynos of the formation, then the running one-offs."""
    code = await current_code(scope.db, app.id)
    commands = code.slug.commands if code else {}
    rows = await query.rows(scope.db, DynoRow, "formation.dynos", app_id=app.id)
    sizes = {one.type: one.size for one in await query.rows(scope.db, FormationRow, "formation.of_app", app_id=app.id)}
    states = {state.name: state for state in await _states(scope, app)}
    seen = [
        _seen(row, states.get(row.name), commands.get(row.type, ""), sizes.get(row.type, ""), app.updated_at)
        for row in rows
    ]
    seen.extend(
        Seen(once.name, once.name.split(".")[0], "up", once.command, "Basic", once.release, once.started_at)
        for once in scope.parts.dynos.one_offs(str(app.id))
        if once.state == "running"
    )
    return seen


async def _states(scope: Scope, app: App) -> list[DynoState]:
    """Empty while the process supervisor is being started. Then all dynos count as starting."""
    try:
        return await scope.parts.dynos.states(str(app.id))
    except RuntimeFailed:
        return []


def _seen(row: DynoRow, state: DynoState | None, command: str, size: str, fallback: datetime) -> Seen:
    if row.is_stopped:
        return Seen(row.name, row.type, "down", command, size, row.release, row.stopped_at or fallback)
    if state is None:
        return Seen(row.name, row.type, "starting", command, size, row.release, fallback)
    return Seen(row.name, row.type, state.state, command, size, state.release, state.since)


async def one_off(
    db: Db,
    parts: Parts,
    app: App,
    command: str,
    *,
    extra: Mapping[str, str],
    size: str | None = None,
    type_: str = "run",
) -> Dyno:
    """A process to run once, with the app's code and config. Raises BadRequest, and NotAvailable before the first deploy."""
    if not command.strip():
        raise BadRequest("No command was given.", fix="Give a command, such as `python manage.py shell`.")
    _check_process(type_, extra)
    code = await current_code(db, app.id)
    if code is None:
        raise NotAvailable(
            f"{app.name} has no code to run.",
            why="Nothing was deployed yet.",
            fix=f"changeover deploy DIR -a {app.name}",
        )
    return Dyno(
        app=str(app.id), name=_free_name(parts, app, type_), type=type_, command=command,
        directory=Path(code.slug.directory), environment={**environment_of_release(parts, code.release), **extra},
        release=code.release.version, size=size or "Basic",
    )  # fmt: skip


def _check_process(type_: str, extra: Mapping[str, str]) -> None:
    """Raises InvalidParams."""
    if not TYPE.fullmatch(type_):
        raise InvalidParams(
            f"Invalid process type: {type_[:40]!r}.", why="It may contain letters, digits, '-' and '_'."
        )
    for name in extra:
        if not VAR_NAME.fullmatch(name):
            raise InvalidParams(f"Invalid environment variable name: {name[:40]!r}.")


def _free_name(parts: Parts, app: App, type_: str) -> str:
    """Such as `run.1234`. Longer if many are known, because a second one with the same name would not be started."""
    names = (
        f"{type_}.{secrets.randbelow(9 * least) + least}" for least in (10**digits for digits in itertools.count(3))
    )
    return next(name for name in names if parts.dynos.one_off(str(app.id), name) is None)
