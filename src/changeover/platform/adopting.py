"""`pg:adopt`: makes a database on a server run by others an add-on, by its address. Changes nothing there.

Repeating it with the add-on's own name updates its address, for example after a password change or a move to another host.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from changeover.engines.external import Identity, identify
from changeover.errors import ChangeoverError
from changeover.errors.elsewhere import AlreadyAdopted, BadAddress
from changeover.hosts.network import Reach
from changeover.platform.addons import add_row
from changeover.platform.attachments import attachments_to, claim_name, put_on
from changeover.platform.environment import database_url
from changeover.platform.locations import certificates_of, location_of
from changeover.platform.names import checked_attachment_name, new_server_name
from changeover.platform.needs import AppNeed
from changeover.platform.releases import release
from changeover.platform.resolving import find_addon, may_use_addon
from changeover.platform.scope import Scope
from changeover.postgres.certificate_files import write_certificates
from changeover.postgres.location import MARK, MARKS, Location
from changeover.store import query
from changeover.store.rows import EXTERNAL, Addon, App, Attachment, Database

LOOK_S = 5.0
"""The timeout for comparing the database with one that was adopted already."""
Starts = dict[UUID, datetime | None]
"""When the servers of known add-ons started. None if one did not answer."""
IN_COLUMNS = ("host", "port", "dbname", "user", "password")


@dataclass(frozen=True)
class Adoption:
    """`was_known`: it was already adopted, and only its address may have changed."""

    addon: Addon
    attachment: Attachment
    was_known: bool = False


async def adopt(
    scope: Scope, app: App, location: Location, *, name: str | None = None, confirm: str | None = None
) -> Adoption:
    """Adopt it and attach it to the app as `name`, or with a generated name.

    Raises what `identify` and `claim_name` raise, BadAddress, AlreadyAdopted. An error leaves nothing behind. Other
    adoptions wait until the transaction ends.
    """
    _require_what_an_app_can_use(location)
    wanted = checked_attachment_name(name) if name else None
    async with scope.asking():
        identity = await identify(location)
    starts = await _lock(scope, location, identity)
    mine = (
        await query.one(scope.db, Attachment, "attachments.find_in_app", app_id=app.id, key=wanted) if wanted else None
    )
    known = await _known(scope, location, identity, mine, starts)
    if known is None:
        return await _add(scope, app, location, identity, name=wanted, confirm=confirm)
    if mine is None or mine.addon_id != known.addon_id or known.app_id != app.id or not known.is_external:
        raise await _refusal(scope, known)
    await _renew(scope, known, location, identity)
    return Adoption(await find_addon(scope, str(known.addon_id)), mine, was_known=True)


def _require_what_an_app_can_use(location: Location) -> None:
    """Apps get the address as a URL, with files for certificates. A client key can't be stored where all apps can read it."""
    if "sslkey" in location.parameters and "sslkey" not in location.files:
        raise BadAddress(
            "A database can't be adopted with a client key.",
            why="Its apps get its address, but they must not read a key that changeover stores.",
            fix="Adopt it with a password. Or the operator can give files that the apps' system users can read.",
        )


async def _lock(scope: Scope, location: Location, identity: Identity) -> Starts:
    """Lock other adoptions out, after querying the start times of all add-ons that may be the same database.

    Querying releases the lock, so add-ons that another request adopted in the meantime are queried as well.
    """
    starts: Starts = {}
    while True:
        await query.values(scope.db, "adopted.lock")
        unasked = [one for one in await _candidates(scope, location, identity) if one.addon_id not in starts]
        if not unasked:
            return starts
        there = [(one.addon_id, await _location_of(scope, one)) for one in unasked]
        async with scope.asking():
            for addon_id, known_location in there:
                starts[addon_id] = await _started_at(known_location) if known_location else None


async def _candidates(scope: Scope, location: Location, identity: Identity) -> Sequence[Database]:
    return await query.rows(
        scope.db, Database, "adopted.of_identifier",
        system_identifier=identity.system_identifier, database_name=location.database,
    )  # fmt: skip


async def _location_of(scope: Scope, known: Database) -> Location | None:
    """None if it can't be reached now because it is being created or destroyed."""
    try:
        return await location_of(scope.db, scope.parts, known.addon_id)
    except ChangeoverError:
        return None


async def _started_at(location: Location) -> datetime | None:
    """None if it does not answer."""
    try:
        return (await identify(location, connect_timeout_s=LOOK_S)).started_at
    except ChangeoverError:
        return None


async def _known(
    scope: Scope, location: Location, identity: Identity, mine: Attachment | None, starts: Starts
) -> Database | None:
    """The add-on that the database already is: by its address, or by the identity of its server."""
    at_address = await _at(scope, location.host.lower(), location.port, location.database)
    if at_address is not None:
        return at_address
    if identity.address and identity.port:
        ours = await _at(scope, identity.address, identity.port, location.database)
        if ours is not None and not ours.is_external:
            return ours
    for one in await _candidates(scope, location, identity):
        started_at = starts[one.addon_id]
        # A physical copy has the same identifier and database, but another start time. If the known one no longer answers,
        # it counts as the same if the user gave its name.
        if started_at == identity.started_at or (started_at is None and mine and mine.addon_id == one.addon_id):
            return one
    return None


async def _at(scope: Scope, address: str, port: int, database_name: str) -> Database | None:
    return await query.one(
        scope.db, Database, "databases.at_address", address=address, port=port, database_name=database_name
    )


async def _add(
    scope: Scope, app: App, location: Location, identity: Identity, *, name: str | None, confirm: str | None
) -> Adoption:
    plan = scope.parts.catalogue.plan_of(scope.parts.catalogue.service.name, EXTERNAL)
    addon_id = await add_row(scope, app, plan, None)
    server = new_server_name()
    try:
        return await _fill(scope, app, server, location, identity, addon_id=addon_id, name=name, confirm=confirm)
    except BaseException:
        shutil.rmtree(certificates_of(scope.parts, server), ignore_errors=True)
        raise


async def _fill(
    scope: Scope, app: App, server: str, location: Location, identity: Identity, *,
    addon_id: UUID, name: str | None, confirm: str | None,
) -> Adoption:  # fmt: skip
    """Add the new add-on's database, credential and attachment."""
    await query.execute(scope.db, "adopted.add_server", name=server, **_columns(scope, server, location, identity))
    await query.execute(
        scope.db, "databases.add",
        addon_id=addon_id, server_name=server, leader_id=None, database_name=location.database,
    )  # fmt: skip
    await query.execute(
        scope.db, "databases.add_credential",
        addon_id=addon_id, name="default", user_name=location.user, password=_sealed(scope, location),
    )  # fmt: skip
    await query.execute(scope.db, "addons.set_state", id=addon_id, state="provisioned")
    addon = await find_addon(scope, str(addon_id))
    attached_as = await claim_name(scope, app, name, may_be_default=True, confirm=confirm)
    return Adoption(addon, await put_on(scope, addon, app, attached_as))


def _columns(scope: Scope, server: str, location: Location, identity: Identity) -> dict[str, object]:
    rest = {key: value for key, value in location.parameters.items() if key not in IN_COLUMNS}
    rest |= _write_certificates(scope, server, location)
    if location.reach is Reach.ANYWHERE:
        rest[MARK] = MARKS[Reach.ANYWHERE]
    return {
        "address": location.host,
        "port": location.port,
        "parameters": scope.parts.cipher.encrypt_map(rest),
        "system_identifier": identity.system_identifier,
    }


def _write_certificates(scope: Scope, server: str, location: Location) -> dict[str, str]:
    """Into a folder named by their content. Files that a committed row refers to are never changed."""
    texts = json.dumps(sorted(location.certificates.items()))
    folder = certificates_of(scope.parts, server)
    if location.certificates:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
    return write_certificates(location, folder / hashlib.sha256(texts.encode()).hexdigest()[:16], is_for_all=True)


def _remove_unused_certificates(scope: Scope, known: Database) -> None:
    """Remove all but those of the committed row: dynos may use them until they get the release with the new ones."""
    named = scope.parts.cipher.decrypt_map(known.parameters).values() if known.parameters else ()
    folder = certificates_of(scope.parts, known.server_name)
    for one in folder.iterdir() if folder.is_dir() else ():
        if not any(Path(value).is_relative_to(one) for value in named):
            shutil.rmtree(one) if one.is_dir() else one.unlink()


def _sealed(scope: Scope, location: Location) -> bytes:
    return scope.parts.cipher.encrypt(location.password or "")


async def _renew(scope: Scope, known: Database, location: Location, identity: Identity) -> None:
    """Each app that has it attached gets a release if its URL changed."""
    before = await database_url(scope.db, scope.parts.cipher, known)
    _remove_unused_certificates(scope, known)
    await query.execute(
        scope.db,
        "adopted.change_server",
        name=known.server_name,
        **_columns(scope, known.server_name, location, identity),
    )
    await query.execute(
        scope.db, "adopted.change_credential",
        addon_id=known.addon_id, user_name=location.user, password=_sealed(scope, location),
    )  # fmt: skip
    fresh = await query.only(scope.db, Database, "databases.find", addon_id=known.addon_id)
    if await database_url(scope.db, scope.parts.cipher, fresh) == before:
        return
    for one in await attachments_to(scope.db, known.addon_id):
        await release(scope, one.app_id, f"Update {one.name} (@ref:{one.addon_name})")


async def _refusal(scope: Scope, known: Database) -> AlreadyAdopted:
    """Names the add-on only to users who may see it."""
    addon = await query.only(scope.db, Addon, "addons.find", key=str(known.addon_id))
    if not await may_use_addon(scope, addon, AppNeed.VIEW):
        return AlreadyAdopted(
            "This database is already an add-on here.",
            why="It belongs to an app that you don't have access to.",
            fix="Ask the operator for its owner, who can attach it to your app.",
        )
    attach = f"Attach it: `changeover addons:attach {addon.name} -a APP`."
    if not known.is_external:
        return AlreadyAdopted(f"This database is {addon.name}, which runs here.", fix=attach)
    names = [one.name for one in await attachments_to(scope.db, addon.id) if one.app_id == addon.app_id]
    return AlreadyAdopted(
        f"This database is already adopted as {addon.name} of {addon.app_name}.",
        why="If it were adopted twice, one add-on would keep an old password.",
        fix=f"{attach} To update its address or password: `changeover pg:adopt SOURCE -a {addon.app_name} --as {names[0]}`.",
    )
