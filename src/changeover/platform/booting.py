"""Web dynos that do not listen after a change: the previous ones keep serving, and the release fails.

The dynos that served before a change are stored in our state until the change has ended, so a killed worker loses nothing.
All of this happens under the lock of the app's web dynos.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

from changeover.errors import BootFailed
from changeover.platform.environment import environment_of, urls_of_attachments
from changeover.platform.scope import Parts
from changeover.platform.secrets import Cipher
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import App, DynoRow, Release


async def remember_former(
    db: Db, app_id: UUID, known: Sequence[DynoRow], current: Release, living: Collection[int]
) -> list[DynoRow]:
    """The web dynos that served before this change, even if an interrupted attempt has already begun it.

    `living`: the ports of the dynos in the runtime. A failed attempt may have ended some of the remembered ones. Those that
    replaced them are serving since.
    """
    remembered = await query.rows(db, DynoRow, "boots.former", app_id=app_id)
    still = [row for row in remembered if row.is_stopped or row.port in living]
    kept = {row.name for row in still}
    gone = {row.name for row in remembered} - kept
    versions = [row.release for row in known if row.release]
    so_far = [_before_restart(row, max(versions, default=current.version)) for row in known if row.port is not None]
    if remembered:
        replaced = gone if any(not row.is_stopped for row in still) else {row.name for row in so_far} - kept
        so_far = [row for row in so_far if row.name in replaced and row.port in living]
    await query.execute(db, "boots.forget_some", app_id=app_id, names=list(gone))
    for row in so_far:
        await query.execute(
            db, "boots.remember", app_id=app_id, name=row.name, type=row.type, port=row.port, release=row.release,
            restarts=row.restarts, is_stopped=row.is_stopped,
        )  # fmt: skip
    return [*still, *so_far]


def _before_restart(row: DynoRow, version: int) -> DynoRow:
    """A restart sets `release` to 0 and increments `restarts`."""
    return row if row.release else replace(row, release=version, restarts=max(0, row.restarts - 1))


async def may_keep(db: Db, cipher: Cipher, app_id: UUID, former: Sequence[DynoRow]) -> bool:
    """Whether previous dynos may continue. Not if a database has moved since: they would write to the old one."""
    serving = {row.release for row in former if not row.is_stopped}
    if not serving:
        return False
    return not await is_left_behind(db, cipher, app_id, serving)


async def is_left_behind(db: Db, cipher: Cipher, app_id: UUID, versions: Iterable[int]) -> bool:
    """Whether dynos of one of these releases have a database URL that is no longer the app's.

    Compares URLs rather than events, so it does not matter how a database moved or whether its release failed.
    """
    wanted = sorted(set(versions))
    if not wanted:
        return False
    if await query.values(db, "boots.is_required", app_id=app_id, version=wanted[0]) == [True]:
        return True
    now, attached = await environment_of(db, cipher, app_id), await urls_of_attachments(db, cipher, app_id)
    for version in wanted:
        release = await query.one(db, Release, "releases.find", app_id=app_id, key=str(version))
        if release is not None and release.environment and _has_moved(cipher, release, now, set(attached)):
            return True
    return False


def _has_moved(cipher: Cipher, release: Release, now: Mapping[str, str], attached: set[str]) -> bool:
    """Whether a config var of an attachment, past or present, now has a different value."""
    then = cipher.decrypt_map(release.environment or b"")
    of_attachments = attached | (then.keys() - cipher.decrypt_map(release.config).keys())
    return any(then[name] != now[name] for name in of_attachments & then.keys() & now.keys())


async def serving_versions(db: Db, app_id: UUID) -> set[int]:
    """Releases of web dynos that may be serving, including those from before an unfinished change."""
    current = await query.one(db, Release, "releases.current", app_id=app_id)
    former = await query.rows(db, DynoRow, "boots.former", app_id=app_id)
    known = await query.rows(db, DynoRow, "formation.dynos", app_id=app_id)
    web = [row for row in (*former, *known) if row.port is not None and not row.is_stopped]
    return {row.release or current.version for row in web} if current else set()


async def forget_former(db: Db, app_id: UUID) -> None:
    """Call this when the change has succeeded."""
    await query.execute(db, "boots.forget", app_id=app_id)


async def go_back(db: Db, app_id: UUID) -> None:
    """Make the previous web dynos the wanted ones again."""
    await query.execute(db, "boots.remove_new", app_id=app_id)
    await query.execute(db, "boots.put_back", app_id=app_id)
    await query.execute(db, "boots.forget", app_id=app_id)


async def fail_release(db: Db, release: Release, said: str) -> None:
    await query.execute(db, "releases.set_status", id=release.id, status="failed")
    await remember_failure(db, release, said)


async def remember_failure(db: Db, release: Release, said: str) -> None:
    """The run of that release then fails with this error."""
    await query.execute(db, "boots.fail", release_id=release.id, said=said)


async def abandon(db: Db, cipher: Cipher, release: Release, said: str) -> bool:
    """The release's run ended before its dynos came up: the release fails, and what served before is wanted again.

    Except if dynos must take it because a database has moved. Returns whether another release is current and has code.
    Repeatable.
    """
    app_id = release.app_id
    former = await serving_versions(db, app_id) - {release.version}
    if await is_left_behind(db, cipher, app_id, former or {release.version - 1}):
        await remember_failure(db, release, said)
        return False
    before = await query.one(db, Release, "releases.current", app_id=app_id)
    await fail_release(db, release, said)
    is_current = before is not None and before.id == release.id
    if is_current and await query.rows(db, DynoRow, "boots.former", app_id=app_id):
        await go_back(db, app_id)
    now = await query.one(db, Release, "releases.current", app_id=app_id)
    return now is not None and now.status == "succeeded" and now.slug_id is not None


def boot_failure(parts: Parts, app: App, names: Sequence[str], release: Release, serving: int | None) -> BootFailed:
    """`serving`: the version whose dynos keep serving. None if nothing served before."""
    which = f"Release v{release.version}" if serving != release.version else "The restart"
    goes_on = (
        f"The dynos of v{serving} keep serving."
        if serving
        else ("No previous release can serve instead. It is tried again with growing pauses until the next release.")
    )
    if release.output_key and serving != release.version:
        goes_on += " Its release command succeeded, and its changes remain."
    return BootFailed(
        f"{which} of {app.name} failed: {', '.join(names)} did not start.",
        why=f"A web dyno must listen on $PORT, on 127.0.0.1 or all addresses, within {parts.boot_timeout_s} seconds. "
        f"It did not, or crashed{' three times' if serving else ''}. {goes_on}",
        fix=f"See its output with `changeover logs -a {app.name} -p web`, fix the problem, and deploy again.",
    )
