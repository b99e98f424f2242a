"""What a person calls a database, as a location: an address, or the name of one of ours."""

from __future__ import annotations

from changeover.errors import Forbidden
from changeover.platform.databases import find_database
from changeover.platform.locations import location_of, with_tls
from changeover.platform.scope import Scope
from changeover.postgres.location import Location

FILES = ("sslkey", "sslcert", "sslrootcert", "sslcrl", "passfile", "service", "krbsrvname")


async def location_named(scope: Scope, text: str) -> Location:
    """A URL or conninfo string, or an add-on by name or id. What leaves this machine is encrypted unless it says otherwise.

    Raises BadAddress, NotFound; Forbidden for what would let somebody in as this host's own user: sockets and files.
    """
    if "://" not in text and "=" not in text:
        addon, _ = await find_database(scope, text)
        return await location_of(scope.db, scope.parts, addon.id)
    location = Location.parse(text)
    named = [name for name in FILES if name in location.parameters and location.parameters[name] != "system"]
    if not scope.caller.is_operator and (location.is_socket or named):
        raise Forbidden(
            "Only the operator may name sockets or files of this host in an address.",
            why="They are opened as the user that the control plane runs as.",
            fix=f"Leave out {', '.join(named)}." if named else "Give the server's name or network address.",
        )
    if location.is_socket:
        return location
    return Location(with_tls(location.host, dict(location.parameters)))
