"""Where a database is, as its owner reaches it: what copying, checking, comparing and saving it start from."""

from __future__ import annotations

from uuid import UUID

from changeover.errors import NotAvailable, NotFound
from changeover.loopback import is_loopback
from changeover.platform.scope import Parts
from changeover.postgres.location import Location
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import CredentialRow, Database

DEFAULT = "default"


async def location_of(db: Db, parts: Parts, addon_id: UUID) -> Location:
    """The owner's way in, with password and TLS, of one of our databases or an adopted one. Asks no server.

    Raises NotFound for what is no database, NotAvailable for one that is still being made or already going.
    """
    database = await query.one(db, Database, "databases.find", addon_id=addon_id)
    if database is None:
        raise NotFound("That add-on is no database.", resource="add_on")
    if database.state != "provisioned":
        raise NotAvailable(
            f"{database.addon_name} can't be reached now.",
            why=f"It is {database.state}.",
            fix=f"Wait for it: `changeover pg:wait {database.addon_name}`.",
        )
    credentials = await query.rows(db, CredentialRow, "databases.credentials", addon_id=addon_id)
    owner = next(one for one in credentials if one.name == DEFAULT)
    password = parts.cipher.decrypt(owner.password)
    return Location(
        {
            "host": database.address,
            "port": str(database.port),
            "dbname": database.database_name,
            "user": owner.user_name,
            **({"password": password} if password else {}),
            **_trust(parts, database),
        }
    )


def _trust(parts: Parts, database: Database) -> dict[str, str]:
    """Ours prove who they are by our own authority; somebody else's as the address given for it asks."""
    if not database.is_external:
        return {"sslmode": "verify-full", "sslrootcert": str(parts.ca_certificate)}
    given = parts.cipher.decrypt_map(database.parameters) if database.parameters else {}
    return with_tls(database.address, given)


def with_tls(host: str, parameters: dict[str, str]) -> dict[str, str]:
    """What leaves this machine is encrypted, unless the address says in so many words that it need not be."""
    if "sslmode" in parameters or is_loopback(host):
        return parameters
    return {**parameters, "sslmode": "require"}
