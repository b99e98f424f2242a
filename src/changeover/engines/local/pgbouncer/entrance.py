"""The server's password verifiers for roles that use a pooler."""

from __future__ import annotations

from collections.abc import Sequence

from changeover.errors import ServerFailed
from changeover.postgres.connect import Address, connect
from changeover.postgres.roles import scram_verifiers


async def verifiers_of(address: Address, roles: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The SCRAM verifiers of these roles. Raises ServerUnreachable, and ServerFailed if a role or its verifier is missing."""
    async with connect(address) as connection:
        found = await scram_verifiers(connection, roles)
    if missing := [role for role in roles if role not in found]:
        raise ServerFailed(
            f"The role {missing[0]} can't use a pooler.",
            why=f"The server at {address} has no role of that name with a SCRAM password.",
            fix="Create the role, or set a new password for it, then try again.",
        )
    return tuple((role, found[role]) for role in roles)
