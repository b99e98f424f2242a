"""Maintenance mode: an app's row says whether it is on, and the router's flag file follows the row.

The file is changed after the row is committed. Where a process dies in between, the next looks bring the file in line.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from changeover.errors import ChangeoverError
from changeover.platform.environment import own_config
from changeover.platform.scope import Parts, Scope
from changeover.runtime.router import fetch_page
from changeover.store.rows import App

MAINTENANCE_PAGE, ERROR_PAGE = "MAINTENANCE_PAGE_URL", "ERROR_PAGE_URL"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pages:
    """An app's own pages; None: the default one."""

    maintenance: bytes | None = None
    error: bytes | None = None


async def fetch_pages(scope: Scope, app: App) -> Pages:
    """The pages that MAINTENANCE_PAGE_URL and ERROR_PAGE_URL name, where they answer.

    Call it before anything is changed. A page that can't be fetched is a warning: maintenance mode must not fail for it.
    """
    own = await own_config(scope.db, scope.parts.cipher, app.id)
    if not own.get(MAINTENANCE_PAGE) and not own.get(ERROR_PAGE):
        return Pages()
    try:
        async with scope.asking():
            pages, warnings = await _fetched(scope.parts, own)
    except ChangeoverError as error:
        pages, warnings = Pages(), [_warning(error)]
    scope.warnings.extend(warnings)
    return pages


def show_afterwards(scope: Scope, app: App, pages: Pages) -> None:
    """Have the router follow the app's row, once the scope's transaction is committed."""
    scope.afterwards.append(functools.partial(show, scope.parts, app, pages))


def show(parts: Parts, app: App, pages: Pages = Pages()) -> None:
    """Have the router follow the app's row, from the next request on."""
    parts.router.maintenance(str(app.id), app.is_in_maintenance, pages.maintenance if app.is_in_maintenance else None)
    if app.is_in_maintenance:
        parts.router.error_page(str(app.id), pages.error)


class MaintenanceFlags:
    """Brings flag files in line that a process left behind when it died between row and file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._differed: set[UUID] = set()

    async def look(self, pool: AsyncConnectionPool[Any], apps: Sequence[App]) -> bool:
        """One look at the rows that were just read; False when one differs, and has to be looked at again soon.

        Only what differs in two looks is corrected: a change may be in progress.
        """
        differ = [app for app in apps if self._parts.router.is_in_maintenance(str(app.id)) != app.is_in_maintenance]
        for app in differ:
            if app.id in self._differed:
                await self._correct(pool, app)
        self._differed = {app.id for app in differ} - self._differed
        return not self._differed

    async def _correct(self, pool: AsyncConnectionPool[Any], app: App) -> None:
        log.warning(
            "maintenance mode of %s is %s: its flag is corrected", app.name, "on" if app.is_in_maintenance else "off"
        )
        pages = Pages()
        if app.is_in_maintenance:
            async with pool.connection() as db:
                own = await own_config(db, self._parts.cipher, app.id)
            pages, _ = await _fetched(self._parts, own)
        show(self._parts, app, pages)


async def _fetched(parts: Parts, own: Mapping[str, str]) -> tuple[Pages, list[str]]:
    """The pages, and a warning for each that can't be fetched."""
    warnings: list[str] = []
    found: dict[str, bytes | None] = {}
    for name in (MAINTENANCE_PAGE, ERROR_PAGE):
        try:
            # Whoever may set the config var chose the address: even the operator's request leads only where accounts may.
            found[name] = await fetch_page(own[name], parts.foreign_addresses) if own.get(name) else None
        except ChangeoverError as error:
            warnings.append(_warning(error))
    return Pages(found.get(MAINTENANCE_PAGE), found.get(ERROR_PAGE)), warnings


def _warning(error: ChangeoverError) -> str:
    return f"{error.what} {error.why} The default page is shown instead.".replace("\n", " ")
