"""Resolves a host and checks each address. Resolve once, then connect to the checked addresses."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from functools import partial

from changeover.errors.elsewhere import AddressNotAllowed
from changeover.hosts.network import IPAddress, Reach, ip_address
from changeover.hosts.threads import wait_elsewhere


def resolve(host: str, reach: Reach) -> list[str]:
    """The addresses of a host, all of them allowed. Blocks. Raises AddressNotAllowed, and OSError for an unknown name.

    A name with one forbidden address is refused entirely.
    """
    literal = ip_address(host)
    if literal is not None:
        return _allowed(host, [literal], reach)
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return _allowed(host, [ipaddress.ip_address(str(one[4][0])) for one in found], reach)


async def resolved(host: str, reach: Reach) -> list[str]:
    """Like `resolve`, but doesn't block."""
    if ip_address(host) is not None:
        return resolve(host, reach)
    return await wait_elsewhere(partial(resolve, host, reach))


def _allowed(host: str, addresses: Iterable[IPAddress], reach: Reach) -> list[str]:
    found = list(dict.fromkeys(addresses))
    if not all(reach.allows(one) for one in found):
        raise AddressNotAllowed(
            f"{host} can't be used here.",
            why=reach.why_not(),
            fix="Use an allowed address, or ask the operator.",
        )
    return [str(one) for one in found]
