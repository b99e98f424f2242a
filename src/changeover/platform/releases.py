"""Releases: each change of code, config or attachments gets a number, and can be rolled back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from changeover.errors import InvalidParams, NotFound
from changeover.platform.scope import Scope
from changeover.platform.secrets import Cipher
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import App, ConfigVar, Release


async def add_release(db: Db, cipher: Cipher, app_id: UUID, account_id: UUID, description: str) -> int:
    """The new version's number. Takes the app's row lock, so that numbers have no gaps and no doubles."""
    await query.values(db, "apps.lock", id=app_id)
    own = cipher.encrypt_map(await own_config(db, cipher, app_id))
    [version] = await query.values(
        db, "releases.add", app_id=app_id, description=description, account_id=account_id, config=own
    )
    await query.execute(db, "releases.touch_app", app_id=app_id)
    return int(version)


async def own_config(db: Db, cipher: Cipher, app_id: UUID) -> dict[str, str]:
    """What its owner set: without what attachments add."""
    found = await query.rows(db, ConfigVar, "apps.config", app_id=app_id)
    return {var.name: cipher.decrypt(var.value) for var in found}


async def write_own_config(db: Db, cipher: Cipher, app_id: UUID, changes: Mapping[str, str | None]) -> None:
    """Set those with a value, remove those with None."""
    for name, value in changes.items():
        if value is None:
            await query.execute(db, "apps.unset_config", app_id=app_id, name=name)
        else:
            await query.execute(db, "apps.set_config", app_id=app_id, name=name, value=cipher.encrypt(value))


async def list_releases(scope: Scope, app: App) -> Sequence[Release]:
    """The oldest first."""
    return await query.rows(scope.db, Release, "releases.of_app", app_id=app.id)


async def find_release(scope: Scope, app: App, key: str) -> Release:
    """By id or number. Raises NotFound."""
    found = await query.one(scope.db, Release, "releases.find", app_id=app.id, key=key)
    if found is None:
        raise NotFound("Couldn't find that release.", resource="release")
    return found


def config_at(scope: Scope, release: Release) -> dict[str, str]:
    """The app's own config vars as they were then."""
    return scope.parts.cipher.decrypt_map(release.config)


async def roll_back(scope: Scope, app: App, key: str) -> Release:
    """Put the own config vars of a former release back, as a new one. Attachments stay as they are."""
    former = await find_release(scope, app, key)
    if former.status != "succeeded":
        raise InvalidParams(f"v{former.version} never ran: its status is {former.status}.", resource="release")
    cipher = scope.parts.cipher
    await query.execute(scope.db, "apps.clear_config", app_id=app.id)
    await write_own_config(scope.db, cipher, app.id, cipher.decrypt_map(former.config))
    version = await add_release(scope.db, cipher, app.id, scope.caller.id, f"Rollback to v{former.version}")
    return await find_release(scope, app, str(version))
