"""Actions on an app that need several transactions, because they wait for runs in between. Used by all interfaces."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from changeover.errors import NotAvailable
from changeover.platform.addons import addons_to_destroy_with, destroy_addon
from changeover.platform.apps import change_app, find_app, remove_app
from changeover.platform.booting import is_left_behind, serving_versions
from changeover.platform.desk import Desk
from changeover.platform.maintenance import Pages, fetch_pages, show_afterwards
from changeover.platform.needs import AppNeed
from changeover.platform.releases import releases_reaching_dynos
from changeover.platform.scheduling import follow_maintenance
from changeover.platform.scope import Scope
from changeover.store.rows import Addon, App

RESTART_S = 45.0
"""How long the end of maintenance mode waits for dynos. Less than our client's timeout."""


class Open(Protocol):
    """Opens the caller's scope, as often as an action needs one."""

    def __call__(self, *, only_looks: bool = False) -> AbstractAsyncContextManager[Scope]: ...


@dataclass(frozen=True)
class AppChange:
    """The changes; None means unchanged. `runs_jobs` False holds scheduled jobs until maintenance mode ends."""

    name: str | None = None
    is_in_maintenance: bool | None = None
    runs_jobs: bool | None = None
    stack: str | None = None


async def update_app(desk: Desk, open_: Open, key: str, change: AppChange) -> App:
    """Change an app. Raises NotFound, Forbidden, NameTaken, InvalidParams; NotAvailable if maintenance mode can't end yet."""
    if change.is_in_maintenance is False:
        await _stay_for_releases(desk, open_, key)
    async with open_() as scope:
        app = await find_app(scope, key, AppNeed.OWN if change.name not in (None, key) else None)
        pages = await fetch_pages(scope, app) if change.is_in_maintenance else Pages()
        app = await change_app(
            scope, app, name=change.name, is_in_maintenance=change.is_in_maintenance, stack=change.stack
        )
        if change.is_in_maintenance is not None or change.runs_jobs is not None:
            await follow_maintenance(scope, app, change.runs_jobs)
        if change.is_in_maintenance is not None:
            show_afterwards(scope, app, pages)
    return app


async def _stay_for_releases(desk: Desk, open_: Open, key: str) -> None:
    """End maintenance mode when no dyno of a previous release can answer. It could write to the database before pg:promote."""
    async with open_(only_looks=True) as scope:
        app = await find_app(scope, key)
        runs = await releases_reaching_dynos(scope, app) if app.is_in_maintenance else []
    for run in runs:
        if not await desk.stay_for_end(run, most_s=RESTART_S):
            raise NotAvailable(
                f"{app.name} is still in maintenance mode.",
                why=f"Its dynos are still being restarted for {run.subject}. The former ones use the former config.",
                fix=f"Wait for them (`changeover ps:wait -a {app.name}`), then run the command again.",
            )
    async with open_(only_looks=True) as scope:
        await _require_present_databases(scope, app)


async def _require_present_databases(scope: Scope, app: App) -> None:
    """A release may have failed in the meantime, so that dynos of a previous one run again. Raises NotAvailable."""
    serving = await serving_versions(scope.db, app.id) if app.is_in_maintenance else set()
    if await is_left_behind(scope.db, scope.parts.cipher, app.id, serving):
        raise NotAvailable(
            f"{app.name} is still in maintenance mode.",
            why=f"A web dyno still runs release v{min(serving)}, from before a database moved: "
            "requests would reach the former database.",
            fix=f"See what failed (`changeover releases -a {app.name}`), correct it and deploy again. "
            "Or promote the former database again.",
        )


async def destroy_app(desk: Desk, open_: Open, key: str) -> App:
    """Destroy an app: its databases first, followers before leaders. Returns the app.

    Raises NotAvailable while one of them is still being destroyed, and what `addons_to_destroy_with` raises if another app
    uses one of them.
    """
    async with open_(only_looks=True) as scope:
        app = await find_app(scope, key)
        rounds = await addons_to_destroy_with(scope, app)
    for addons in rounds:
        await _destroy_all(desk, open_, app, addons)
    async with open_() as scope:
        await remove_app(scope, await find_app(scope, str(app.id)))
    return app


async def _destroy_all(desk: Desk, open_: Open, app: App, addons: list[Addon]) -> None:
    async with open_() as scope:
        runs = [await destroy_addon(scope, addon, force=True) for addon in addons]
    for run in runs:
        if run is not None and not await desk.stay_for_removal(run):
            raise NotAvailable(
                f"{app.name} is not destroyed yet.",
                why=f"Its database {run.subject} is still being destroyed.",
                fix="Run the command again in a moment.",
            )
