"""The formation: how many dynos of each type, and their size. Kept over releases. A new app starts with one web dyno."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from changeover.errors import InvalidParams, NotFound
from changeover.platform.scope import Scope
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.rows import App, FormationRow, RunRow, Slug

DEFAULT_SIZE = "Standard-1X"
SIZES = (
    "Eco",
    "Basic",
    "Standard-1X",
    "Standard-2X",
    "Performance-M",
    "Performance-L",
    "Private-S",
    "Private-M",
    "Private-L",
)
MOST_DYNOS = 100
MOST_WEB = 20
NEVER_SCALED = "release"


@dataclass(frozen=True)
class Process:
    """One type of the formation, with its command in the current code."""

    row: FormationRow
    command: str


@dataclass(frozen=True)
class Change:
    """A requested change of one type: `quantity` as typed ("2", "+1", "-1"), or None to keep it. Likewise for the size."""

    type: str
    quantity: str | None = None
    size: str | None = None


async def formation_of(scope: Scope, app: App) -> Sequence[Process]:
    """One entry for each type in the Procfile. Empty before the first deploy."""
    slug = await query.one(scope.db, Slug, "slugs.current", app_id=app.id)
    if slug is None:
        return []
    known = {row.type: row for row in await query.rows(scope.db, FormationRow, "formation.of_app", app_id=app.id)}
    return [Process(known[type_], command) for type_, command in slug.process_types if type_ in known]


async def scale(scope: Scope, app: App, changes: Sequence[Change]) -> RunRow | None:
    """Change the whole formation or nothing. Returns the run that starts and stops dynos. Raises NotFound, InvalidParams."""
    await query.values(scope.db, "apps.lock", id=app.id)
    types = {process.row.type: process for process in await formation_of(scope, app)}
    for change in changes:
        if change.type not in types:
            raise NotFound(
                f"Couldn't find that process type ({change.type}).",
                why=f"{app.name} has: {', '.join(types) or 'none, because nothing was deployed yet'}.",
                fix="Choose one of these, or add it to the Procfile and deploy.",
                resource="formation",
            )
        row = types[change.type].row
        await query.execute(
            scope.db, "formation.set", app_id=app.id, type=change.type,
            quantity=_quantity(change, row.quantity), size=checked_size(change.size) if change.size else row.size,
        )  # fmt: skip
    return await converge(scope, app, "scale") if changes else None


async def restart(scope: Scope, app: App, which: str) -> RunRow:
    """Replace a dyno (`web.1`), a type (`web`), or all (`*`). Raises NotFound."""
    changed = await query.execute(scope.db, "formation.restart", app_id=app.id, which=which)
    if not changed and which != "*":
        raise no_dyno(which)
    return await converge(scope, app, "restart")


async def stop(scope: Scope, app: App, which: str) -> RunRow:
    """Keep a dyno or a type stopped until the next release or restart. Raises NotFound."""
    if not await query.execute(scope.db, "formation.stop", app_id=app.id, which=which):
        raise no_dyno(which)
    return await converge(scope, app, "stop")


async def converge(scope: Scope, app: App, why: str) -> RunRow:
    """A run that brings the app's dynos to their wanted state. Several such runs do no harm."""
    [number] = await query.values(scope.db, "formation.next_number")
    run = await start_run(
        scope.db, kind="dynos", first_step="apply", subject=f"{app.name} {why} {number}", app=app,
        account_id=scope.caller.id, host=scope.parts.host, given={"app_id": str(app.id)},
    )  # fmt: skip
    scope.started.append(run)
    return run


def no_dyno(which: str) -> NotFound:
    return NotFound(f"Couldn't find that dyno ({which}).", fix="`changeover ps` lists them.", resource="dyno")


def _quantity(change: Change, now: int) -> int:
    if change.quantity is None:
        return now
    form = re.fullmatch(r"([+-]?)([0-9]{1,6})", change.quantity.strip())
    if form is None:
        raise InvalidParams(f"Invalid number of dynos: {change.quantity[:40]!r}.", fix="Write it as 2, +1 or -1.")
    amount = int(form[2])
    wanted = {"+": now + amount, "-": now - amount, "": amount}[form[1]]
    most = MOST_WEB if change.type == "web" else MOST_DYNOS
    if change.type == NEVER_SCALED and wanted:
        raise InvalidParams("The release process can't be scaled.", why="It runs automatically, once for each release.")
    if not 0 <= wanted <= most:
        raise InvalidParams(
            f"{change.type} can't be scaled to {wanted}.",
            why=f"This host runs 0 to {most} dynos of this type per app.",
            fix=f"Give a number from 0 to {most}.",
        )
    return wanted


def checked_size(name: str) -> str:
    """Raises InvalidParams."""
    for size in SIZES:
        if size.lower() == name.lower().replace("shield-", "private-"):
            return size
    raise InvalidParams(f"Couldn't find that dyno size ({name}).", why=f"The sizes are: {', '.join(SIZES)}.")
