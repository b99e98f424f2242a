"""What a person calls a database, as a location: an address, or the name of one of ours."""

from __future__ import annotations

from changeover.platform.databases import find_database
from changeover.platform.locations import location_of, named_location
from changeover.platform.scope import Scope
from changeover.postgres.location import Location


async def location_named(scope: Scope, text: str) -> Location:
    """A URL or conninfo string, or an add-on by name or id.

    Raises BadAddress, NotFound; Forbidden for files of this host, which only the operator may name.
    """
    if "://" not in text and "=" not in text:
        addon, _ = await find_database(scope, text)
        return await location_of(scope.db, scope.parts, addon.id)
    return named_location(scope, text)
