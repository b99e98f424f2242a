"""Updates the router: which apps there are, where their web dynos listen, and which are in maintenance with which page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError
from changeover.platform.environment import own_config
from changeover.platform.scope import Parts, Scope
from changeover.runtime.router import Site, fetch_page
from changeover.runtime.runtime import Dyno
from changeover.store import query
from changeover.store.rows import App, DynoRow

LOOK_AGAIN_S = 30.0
MAINTENANCE_PAGE, ERROR_PAGE = "MAINTENANCE_PAGE_URL", "ERROR_PAGE_URL"


class Routing:
    """Updates the router's list of apps when one is created, removed or renamed. `Handover` updates its dynos."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._told: tuple[Site, ...] | None = None

    async def look(self, pool: AsyncConnectionPool[Any]) -> None:
        """One round, called while the router is up. Raises RouterFailed."""
        async with pool.connection() as db:
            sites = tuple(site_of(app) for app in await query.rows(db, App, "formation.all_apps"))
        if sites != self._told:
            await self._parts.router.apply(sites)
            self._told = sites


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


@dataclass(frozen=True)
class Pages:
    """An app's own pages; None: the default one."""

    maintenance: bytes | None = None
    error: bytes | None = None


async def fetch_pages(scope: Scope, app: App) -> Pages:
    """The pages at MAINTENANCE_PAGE_URL and ERROR_PAGE_URL, if they answer. Call this before changing anything."""
    own = await own_config(scope.db, scope.parts.cipher, app.id)
    if not own.get(MAINTENANCE_PAGE) and not own.get(ERROR_PAGE):
        return Pages()
    try:
        async with scope.asking():
            return Pages(await _page(scope, own, MAINTENANCE_PAGE), await _page(scope, own, ERROR_PAGE))
    except ChangeoverError as error:
        _warn(scope, error)
        return Pages()


def set_maintenance(scope: Scope, app: App, *, on: bool, pages: Pages = Pages()) -> None:
    """Takes effect with the next request."""
    scope.parts.router.maintenance(str(app.id), on, pages.maintenance if on else None)
    if on:
        scope.parts.router.error_page(str(app.id), pages.error)


async def _page(scope: Scope, config: Mapping[str, str], name: str) -> bytes | None:
    """A page that can't be fetched is a warning: maintenance mode must not fail for its looks.

    Whoever may set the config var chose the address, so even the operator's request leads only where accounts may.
    """
    url = config.get(name)
    if not url:
        return None
    try:
        return await fetch_page(url, scope.parts.foreign_addresses)
    except ChangeoverError as error:
        _warn(scope, error)
        return None


def _warn(scope: Scope, error: ChangeoverError) -> None:
    scope.warnings.append(f"{error.what} {error.why} The default page is shown instead.".replace("\n", " "))


class WebDynoNames:
    """Which dyno listens where, for the router's lines; looked up now and then, not for each request."""

    def __init__(self) -> None:
        self._known: dict[str, dict[int, str]] = {}

    async def look(self, pool: AsyncConnectionPool[Any]) -> float:
        """The seconds until the next look, where no change is told of."""
        async with pool.connection() as db:
            rows = await query.rows(db, DynoRow, "formation.web_dynos")
        known: dict[str, dict[int, str]] = {}
        for row in rows:
            known.setdefault(str(row.app_id), {})[row.port or 0] = row.name
        self._known = known
        return LOOK_AGAIN_S

    def of(self, app: str) -> Mapping[int, str]:
        return self._known.get(app, {})
