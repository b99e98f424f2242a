"""An app's environment: the config vars that its owner set, and the URLs of its attachments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from changeover.errors import NotFound
from changeover.platform.secrets import Cipher
from changeover.platform.urls import DatabaseUrl
from changeover.postgres.location import MARK
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Attachment, ConfigVar, CredentialRow, Database, PoolerRow

CREDENTIAL_NAMESPACE = "credential:"
POOLING_NAMESPACE = "connection-pooling:default"


async def own_config(db: Db, cipher: Cipher, app_id: UUID) -> dict[str, str]:
    """The config vars that its owner set, without those of attachments."""
    found = await query.rows(db, ConfigVar, "apps.config", app_id=app_id)
    return {var.name: cipher.decrypt(var.value) for var in found}


async def write_own_config(db: Db, cipher: Cipher, app_id: UUID, changes: Mapping[str, str | None]) -> None:
    """Set those with a value. Remove those with None."""
    for name, value in changes.items():
        if value is None:
            await query.execute(db, "apps.unset_config", app_id=app_id, name=name)
        else:
            await query.execute(db, "apps.set_config", app_id=app_id, name=name, value=cipher.encrypt(value))


async def attachments_of(db: Db, app_id: UUID) -> Sequence[Attachment]:
    """An app's attachments in the order they were added."""
    return await query.rows(db, Attachment, "attachments.of_app", app_id=app_id)


async def database_url(db: Db, cipher: Cipher, database: Database, namespace: str | None = None) -> DatabaseUrl:
    """The URL of the database for an attachment with that namespace.

    Raises NotFound for an unknown credential, or if there is no pooler.
    """
    address, port = database.address, database.port
    if namespace == POOLING_NAMESPACE:
        address, port = await _pooled_address(db, database)
        namespace = None
    wanted = (namespace or "").removeprefix(CREDENTIAL_NAMESPACE) or "default"
    for credential in await query.rows(db, CredentialRow, "databases.credentials", addon_id=database.addon_id):
        if credential.name == wanted:
            return DatabaseUrl(
                address,
                port,
                database.database_name,
                credential.user_name,
                cipher.decrypt(credential.password),
                parameters=parameters_of(cipher, database),
            )
    raise NotFound(f"Couldn't find the credential {wanted} of {database.addon_name}.", resource="credential")


def parameters_of(cipher: Cipher, database: Database) -> dict[str, str]:
    """Further parameters of its URL besides host, port, user, password and name. Only adopted databases have any."""
    given = cipher.decrypt_map(database.parameters) if database.parameters else {}
    return {name: value for name, value in given.items() if name != MARK}


async def _pooled_address(db: Db, database: Database) -> tuple[str, int]:
    pooler = await query.one(db, PoolerRow, "poolers.of_addon", addon_id=database.addon_id)
    if pooler is None:
        raise NotFound(
            f"{database.addon_name} has no pooler.",
            fix=f"`changeover pg:connection-pooling:attach {database.addon_name}` creates one.",
            resource="pooler",
        )
    return pooler.address, pooler.port


async def urls_of_attachments(db: Db, cipher: Cipher, app_id: UUID) -> dict[str, str]:
    """Config vars of attachments, except for databases that are being created or destroyed."""
    found: dict[str, str] = {}
    for attachment in await attachments_of(db, app_id):
        database = await query.one(db, Database, "databases.find", addon_id=attachment.addon_id)
        if database is not None and database.state == "provisioned":
            found[attachment.config_var] = str(await database_url(db, cipher, database, attachment.namespace))
    return found


async def environment_of(db: Db, cipher: Cipher, app_id: UUID) -> dict[str, str]:
    """The complete environment, sorted by name."""
    own = await own_config(db, cipher, app_id)
    return dict(sorted({**own, **await urls_of_attachments(db, cipher, app_id)}.items()))
