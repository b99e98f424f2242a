"""Updates the router: which apps there are, and where their web dynos listen. Maintenance mode: maintenance.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.platform.maintenance import MaintenanceFlags
from changeover.platform.scope import Parts
from changeover.runtime.router import Site
from changeover.runtime.runtime import Dyno
from changeover.store import query
from changeover.store.rows import App, DynoRow

LOOK_AGAIN_S = 30.0


class Routing:
    """Updates the router's list of apps when one is created, removed or renamed. `Handover` updates its dynos."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._told: tuple[Site, ...] | None = None
        self._maintenance = MaintenanceFlags(parts)

    async def look(self, pool: AsyncConnectionPool[Any]) -> bool:
        """One round, called while the router is up. False if it must be repeated soon. Raises RouterFailed."""
        async with pool.connection() as db:
            apps = await query.rows(db, App, "formation.all_apps")
        sites = tuple(site_of(app) for app in apps)
        if sites != self._told:
            await self._parts.router.apply(sites)
            self._told = sites
        return await self._maintenance.look(pool, apps)


def site_of(app: App) -> Site:
    return Site(app=str(app.id), hostnames=(f"{app.name}.localhost",), is_internal=app.is_internally_routed)


async def has_code(pool: AsyncConnectionPool[Any]) -> bool:
    """Whether any code was ever deployed here."""
    async with pool.connection() as db:
        return await query.values(db, "slugs.any") == [True]


class Handover:
    """Keeps an app reachable while its web dynos are replaced: routes to each successor before its predecessor ends."""

    def __init__(self, parts: Parts, app: App, before: Mapping[str, int], after: Mapping[str, int]) -> None:
        """`before` and `after`: web dynos' names and ports."""
        self._parts, self._app = parts, str(app.id)
        self._ports = {name: port for name, port in before.items() if name in after}

    def begin(self) -> None:
        """Stop routing to dynos that end without a successor."""
        self._route()

    async def ready(self, dyno: Dyno) -> None:
        """Called when a successor listens."""
        if dyno.port is not None:
            self._ports[dyno.name] = dyno.port
            self._route()

    def end(self, after: Mapping[str, int]) -> None:
        self._ports = dict(after)
        self._route()

    def _route(self) -> None:
        self._parts.router.route(self._app, tuple(self._ports.values()))


class WebDynoNames:
    """The dynos by port, for the router's log lines. Read periodically, not for each request."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, str]] = {}

    async def look(self, pool: AsyncConnectionPool[Any]) -> float:
        """Returns the seconds until the next round, if no change is notified before."""
        async with pool.connection() as db:
            rows = await query.rows(db, DynoRow, "formation.web_dynos")
        known: dict[str, dict[int, str]] = {}
        for row in rows:
            known.setdefault(str(row.app_id), {})[row.port or 0] = row.name
        self._known = known
        return LOOK_AGAIN_S

    def of(self, app: str) -> Mapping[int, str]:
        return self._known.get(app, {})
