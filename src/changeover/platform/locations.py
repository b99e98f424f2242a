"""The location of a database, as its owner reaches it, for copying, checking, comparing and backing up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from changeover.errors import NotAvailable, NotFound
from changeover.hosts.network import Reach, ip_address
from changeover.hosts.resolving import resolve
from changeover.loopback import is_loopback
from changeover.platform.scope import Parts, Scope
from changeover.postgres.certificates import CERTIFICATES, is_text, read_certificate
from changeover.postgres.location import MARK, MARKS, Location
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import CredentialRow, Database

DEFAULT = "default"


async def location_of(db: Db, parts: Parts, addon_id: UUID) -> Location:
    """The owner's location of one of our databases or an adopted one, with password and TLS. Contacts no server.

    Raises NotFound if it is not a database, NotAvailable while it is being created or destroyed, and BadAddress for an
    adopted one whose address was stored by an older version and is no longer allowed.
    """
    database = await query.one(db, Database, "databases.find", addon_id=addon_id)
    if database is None:
        raise NotFound("This add-on is not a database.", resource="add_on")
    if database.state != "provisioned":
        raise NotAvailable(
            f"{database.addon_name} can't be reached now.",
            why=f"It is {database.state}.",
            fix=f"Wait for it: `changeover pg:wait {database.addon_name}`.",
        )
    credentials = await query.rows(db, CredentialRow, "databases.credentials", addon_id=addon_id)
    owner = next(one for one in credentials if one.name == DEFAULT)
    password = parts.cipher.decrypt(owner.password)
    place = {
        "host": database.address,
        "port": str(database.port),
        "dbname": database.database_name,
        "user": owner.user_name,
        **({"password": password} if password else {}),
    }
    if not database.is_external:
        trust = {"sslmode": "verify-full", "sslrootcert": parts.ca_certificate.read_text()}
        return Location(place | trust, Reach.ANYWHERE)
    given = parts.cipher.decrypt_map(database.parameters) if database.parameters else {}
    is_vouched = given.pop(MARK, None) == MARKS[Reach.ANYWHERE]
    return Location(
        place | with_tls(database.address, _with_texts(given)),
        Reach.ANYWHERE if is_vouched else parts.foreign_addresses,
    )


def certificates_of(parts: Parts, server_name: str) -> Path:
    """The folder with an adopted database's uploaded certificates. Its apps read it too."""
    return parts.home / "certificates" / server_name


def _with_texts(given: Mapping[str, str]) -> dict[str, str]:
    """Replaces files by their content. Only the operator, or `_write_certificates`, chooses these files, never an account."""
    return {
        name: read_certificate(name, value, is_operator=True) if name in CERTIFICATES and not is_text(value) else value
        for name, value in given.items()
    }


def named_location(scope: Scope, text: str) -> Location:
    """Parses a foreign address from the caller. Connections leaving this machine are encrypted unless it says otherwise.

    Raises BadAddress, AddressNotAllowed for an IP address that accounts may not use (names are resolved when used), and
    Forbidden for files of this host, which only the operator may use.
    """
    location = Location.parse(text, reach=reach_of(scope))
    if ip_address(location.host) is not None:
        resolve(location.host, location.reach)
    return location.with_(**with_tls(location.host, dict(location.parameters)))


def reach_of(scope: Scope) -> Reach:
    """Where the caller's addresses may lead."""
    return Reach.ANYWHERE if scope.caller.is_operator else scope.parts.foreign_addresses


def kept_location(parts: Parts, sealed: bytes) -> Location:
    """From an encrypted `Location.url`. Checked again by the current rules. Raises BadAddress."""
    return Location.kept(parts.cipher.decrypt(sealed), reach=parts.foreign_addresses, authority=parts.ca_certificate)


def with_tls(host: str, parameters: dict[str, str]) -> dict[str, str]:
    """Requires encryption for connections leaving this machine, unless the address explicitly says otherwise."""
    if "sslmode" in parameters or is_loopback(host):
        return parameters
    return {**parameters, "sslmode": "require"}
