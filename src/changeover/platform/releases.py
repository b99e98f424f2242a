"""Releases: each change of code, config or attachments gets a number that can be rolled back to."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from changeover.errors import InvalidParams, NotFound
from changeover.platform.environment import environment_of, own_config, write_own_config
from changeover.platform.scope import Parts, Scope
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import App, NewRelease, Release, RunRow, Slug


async def add_release(
    db: Db,
    parts: Parts,
    app_id: UUID,
    account_id: UUID,
    description: str,
    *,
    slug: Slug | None = None,
    is_by_user: bool = True,
    is_superseded: bool = False,
    reaches_dynos: bool = True,
    is_required: bool = False,
) -> RunRow | None:
    """A new release in the caller's transaction. Returns the run that brings it to the app's dynos, if there is code.

    `slug` None keeps the code. The release phase runs for users' changes, not for an add-on's own changes. A release that is
    superseded in the same transaction (detaching a replaced attachment) never reaches a dyno. Without `reaches_dynos`, it
    applies when dynos start for another reason. With `is_required`, dynos take it even if web dynos don't listen then,
    because a database has moved or is gone. Takes the app's row lock, so that numbers are unique and without gaps. The caller
    must send the run's tick after committing.
    """
    await query.values(db, "apps.lock", id=app_id)
    code = slug or await query.one(db, Slug, "slugs.current", app_id=app_id)
    has_phase = code is not None and code.has_release_phase and is_by_user and not is_superseded
    made = await query.only(
        db, NewRelease, "releases.add",
        app_id=app_id, description=description, account_id=account_id, slug_id=code.id if code else None,
        status="pending" if has_phase else "succeeded", output_key=secrets.token_urlsafe(24) if has_phase else None,
        config=parts.cipher.encrypt_map(await own_config(db, parts.cipher, app_id)),
        environment=parts.cipher.encrypt_map(await environment_of(db, parts.cipher, app_id)),
    )  # fmt: skip
    if is_required:
        await query.execute(db, "boots.require", release_id=made.id)
    await query.execute(db, "releases.touch_app", app_id=app_id)
    if code is None or is_superseded or not reaches_dynos:
        return None
    return await start_run(
        db, kind="release", first_step="phase", subject=f"{made.app_name} v{made.version}",
        app=await query.only(db, App, "apps.find", key=str(app_id)), account_id=account_id,
        host=parts.host, given={"app_id": str(app_id), "release_id": str(made.id)},
    )  # fmt: skip


async def release(
    scope: Scope, app_id: UUID, description: str, *, slug: Slug | None = None, is_superseded: bool = False
) -> RunRow | None:
    """A release for what the caller did. Its run, if needed, gets its tick after the commit."""
    run = await add_release(
        scope.db, scope.parts, app_id, scope.caller.id, description, slug=slug, is_superseded=is_superseded
    )
    if run is not None:
        scope.started.append(run)
    return run


async def list_releases(scope: Scope, app: App) -> Sequence[Release]:
    """The oldest first."""
    return await query.rows(scope.db, Release, "releases.of_app", app_id=app.id)


async def releases_reaching_dynos(scope: Scope, app: App) -> Sequence[RunRow]:
    """Runs that bring releases to the app's dynos. Until they end, some dynos may use an older config."""
    return await query.rows(scope.db, RunRow, "releases.reaching_dynos", app_id=app.id)


async def find_release(scope: Scope, app: App, key: str) -> Release:
    """By id or number. Raises NotFound."""
    found = await query.one(scope.db, Release, "releases.find", app_id=app.id, key=key)
    if found is None:
        raise NotFound("Couldn't find that release.", resource="release")
    return found


def config_at(scope: Scope, release: Release) -> dict[str, str]:
    """The app's own config vars in that release."""
    return scope.parts.cipher.decrypt_map(release.config)


async def roll_back(scope: Scope, app: App, key: str) -> Release:
    """Restore code and own config vars of an earlier release, as a new one. Attachments stay unchanged."""
    former = await find_release(scope, app, key)
    if former.status != "succeeded":
        raise InvalidParams(f"v{former.version} never ran: its status is {former.status}.", resource="release")
    cipher = scope.parts.cipher
    await query.execute(scope.db, "apps.clear_config", app_id=app.id)
    await write_own_config(scope.db, cipher, app.id, cipher.decrypt_map(former.config))
    slug = await query.one(scope.db, Slug, "slugs.find", id=former.slug_id) if former.slug_id else None
    await release(scope, app.id, f"Rollback to v{former.version}", slug=slug)
    return (await list_releases(scope, app))[-1]


@dataclass(frozen=True)
class Phase:
    """The output of a release phase, and whether more may come."""

    file: Path
    is_running: bool


async def phase_of_output(pool: AsyncConnectionPool[Any], parts: Parts, key: str) -> Phase | None:
    """By the unguessable key in its URL."""
    async with pool.connection() as db:
        found = await query.one(db, Release, "releases.by_output_key", key=key)
    return Phase(parts.release_output(found), found.status == "pending") if found else None
