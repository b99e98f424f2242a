"""Private spaces: a name, a team, a region, and an address.

Without root there is no network boundary on one host, because a loopback client always connects from 127.0.0.1. Roles, SCRAM
and CONNECT rights are the boundary. The address only gives a space's servers a stable location. `spaces:create` says so.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from changeover.errors import HostFull, InvalidParams, NameTaken, NotFound
from changeover.platform.names import checked_space_name
from changeover.platform.rights import require_role
from changeover.platform.scope import Scope
from changeover.platform.teams import ensure_team
from changeover.store import query
from changeover.store.rows import App, Space, Team

COMMON_ADDRESS = "127.0.0.1"
SPACE_ADDRESSES = ipaddress.ip_network("127.64.0.0/16")
DEFAULT_CIDR, DEFAULT_DATA_CIDR = "10.0.0.0/16", "172.23.0.0/20"
NO_BOUNDARY = (
    "On one host a space is no network boundary: its databases are kept apart by roles, passwords and CONNECT rights, "
    "and any local user can reach their address."
)


async def list_spaces(scope: Scope) -> Sequence[Space]:
    return await query.rows(
        scope.db, Space, "spaces.visible", caller=scope.caller.id, is_operator=scope.caller.is_operator
    )


async def find_space(scope: Scope, key: str) -> Space:
    """Raises NotFound, and Forbidden unless the caller's role in its team is sufficient."""
    space = await query.one(scope.db, Space, "spaces.find", key=key)
    if space is None:
        raise NotFound("Couldn't find that space.", fix="`changeover spaces` lists yours.", resource="space")
    team = await query.only(scope.db, Team, "teams.find", key=str(space.team_id), caller=scope.caller.id)
    require_role(scope, team.role, team.name, f"space {space.name}")
    return space


async def create_space(
    scope: Scope,
    *,
    name: str,
    team_name: str,
    region_name: str | None,
    is_shield: bool,
    cidr: str | None,
    data_cidr: str | None,
) -> Space:
    """Allocated immediately, because on one host there is nothing to wait for. Raises NameTaken, InvalidParams, Forbidden."""
    checked_space_name(name)
    region = scope.parts.catalogue.region(region_name or scope.parts.catalogue.default_private_region)
    if not region.private_capable:
        raise InvalidParams(
            f"Region {region.name} does not support private spaces.",
            why="It is a region of the Common Runtime.",
            fix="`changeover regions` marks the regions that do.",
        )
    team = await ensure_team(scope, team_name)
    await query.execute(scope.db, "spaces.lock")
    made = await query.values(
        scope.db, "spaces.add",
        name=name, team_id=team.id, region=region.name, is_shield=is_shield,
        cidr=_network(cidr or DEFAULT_CIDR, prefix=16), data_cidr=_network(data_cidr or DEFAULT_DATA_CIDR),
        address=await _free_address(scope),
    )  # fmt: skip
    if not made:
        raise NameTaken("space", name)
    scope.warnings.append(NO_BOUNDARY)
    return await find_space(scope, name)


async def rename_space(scope: Scope, space: Space, name: str) -> Space:
    checked_space_name(name)
    if name != space.name and await query.one(scope.db, Space, "spaces.find", key=name) is not None:
        raise NameTaken("space", name)
    await query.execute(scope.db, "spaces.rename", id=space.id, name=name)
    return await find_space(scope, name)


async def apps_in(scope: Scope, space: Space) -> Sequence[App]:
    """All of its apps, including those that the caller may not see."""
    return await query.rows(scope.db, App, "apps.of_space", space_id=space.id)


async def destroy_space(scope: Scope, space: Space) -> None:
    """Raises InvalidParams while it contains apps."""
    apps = await apps_in(scope, space)
    if apps:
        raise InvalidParams(
            f"The space {space.name} is not empty.",
            why=f"It has apps: {', '.join(app.name for app in apps)}.",
            fix="Destroy them first, each with `changeover apps:destroy -a APP`.",
        )
    await query.execute(scope.db, "spaces.remove", id=space.id)


async def _free_address(scope: Scope) -> str:
    """The first free address. The caller must hold the table's lock."""
    taken = set(await query.values(scope.db, "spaces.addresses"))
    for subnet in SPACE_ADDRESSES.subnets(new_prefix=24):
        address = str(subnet[1])
        if address not in taken:
            return address
    raise HostFull("This host has no room for another space.", why=f"{len(taken)} spaces exist.", fix="Destroy one.")


def _network(text: str, prefix: int | None = None) -> str:
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise InvalidParams(f"Invalid network: {text}.", why=str(error), fix="Write it as 10.0.0.0/16.") from None
    if not network.is_private or (prefix and network.prefixlen != prefix):
        raise InvalidParams(f"{text} can't be a space's network.", why="It must be a private /16.")
    return str(network)
