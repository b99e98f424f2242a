"""Which hosts are this machine, for services that are only allowed locally or may do without TLS."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """`localhost`, or a loopback address. Compares addresses as addresses: `127.0.0.1.evil.example` is a name."""
    name = host.lower().removesuffix(".").removeprefix("[").removesuffix("]")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
