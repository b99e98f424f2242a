"""Maintenance mode: an app's row says whether it is on, and the router's flag file follows the row.

The file is changed after the row is committed. If a process dies in between, later rounds correct the file.
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
    """An app's own pages. None means the default page."""

    maintenance: bytes | None = None
    error: bytes | None = None


async def fetch_pages(scope: Scope, app: App) -> Pages:
    """The pages at MAINTENANCE_PAGE_URL and ERROR_PAGE_URL, if they can be fetched.

    Call it before anything is changed. A page that can't be fetched is a warning, because maintenance mode must not fail for it.
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
    """Update the router from the app's row once the scope's transaction is committed."""
    scope.afterwards.append(functools.partial(show, scope.parts, app, pages))


def show(parts: Parts, app: App, pages: Pages = Pages()) -> None:
    """Update the router from the app's row, effective with the next request."""
    parts.router.maintenance(str(app.id), app.is_in_maintenance, pages.maintenance if app.is_in_maintenance else None)
    if app.is_in_maintenance:
        parts.router.error_page(str(app.id), pages.error)


class MaintenanceFlags:
    """Corrects flag files of a process that died between updating row and file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._differed: set[UUID] = set()

    async def look(self, pool: AsyncConnectionPool[Any], apps: Sequence[App]) -> bool:
        """One round with the rows that were just read. False if one differs, and must be checked again soon.

        Only a difference in two rounds is corrected, because a change may be in progress.
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
            # An account may have set the config var, so even for the operator only addresses for accounts are allowed.
            found[name] = await fetch_page(own[name], parts.foreign_addresses) if own.get(name) else None
        except ChangeoverError as error:
            warnings.append(_warning(error))
    return Pages(found.get(MAINTENANCE_PAGE), found.get(ERROR_PAGE)), warnings


def _warning(error: ChangeoverError) -> str:
    return f"{error.what} {error.why} The default page is shown instead.".replace("\n", " ")
