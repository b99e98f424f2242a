"""Host names and IP addresses: which are valid, loopback or private, and which an account may connect to.

Addresses are compared as addresses, never as text: `127.0.0.1.evil.example` is a name, while `0x7f.1` and `::ffff:127.0.0.1`
are loopback. Sends no DNS queries; see resolving.py.
"""

from __future__ import annotations

import ipaddress
import re
from enum import Enum

from changeover.errors.elsewhere import BadAddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
LONGEST_NAME = 253
TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
"""NAT64: the last four bytes are an IPv4 address."""
OWN_LINK = ipaddress.ip_network("fd00:ec2::/32")
"""The IPv6 address of AWS's instance metadata service. For IPv4 it is link-local."""


class Reach(Enum):
    """Where an address may lead."""

    ANYWHERE = "anywhere"
    """For the operator, and for our own databases."""
    PRIVATE = "private"
    """Public, private and loopback addresses. Link-local and other special ones are refused."""
    PUBLIC = "public"
    """Addresses of the internet only."""

    def allows(self, address: IPAddress) -> bool:
        plain = _unmapped(address)
        if self is Reach.ANYWHERE:
            return True
        if self is Reach.PRIVATE:
            return not _is_special(plain)
        return plain.is_global and not _is_special(plain)

    def why_not(self) -> str:
        if self is Reach.PUBLIC:
            return "This installation lets accounts use public addresses only (CHANGEOVER_FOREIGN_ADDRESSES=public)."
        return "Link-local, multicast and unspecified addresses are for the operator only."


def ip_address(host: str) -> IPAddress | None:
    """None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_private(host: str) -> bool:
    """Whether it is a private address, not routed on the internet. False for a name."""
    address = ip_address(host)
    return address is not None and _unmapped(address).is_private


def checked_host(text: str) -> str:
    """A DNS name or an IP address, in canonical form. Raises BadAddress, whose message does not contain the text.

    Not a path, an abstract socket, a list, or a short form of an IPv4 address.
    """
    host = text.lower().removesuffix(".")
    address = ip_address(host)
    if address is not None and not getattr(address, "scope_id", None):
        return str(address)
    labels = host.split(".")
    is_name = address is None and text.isascii() and len(host) <= LONGEST_NAME
    if not is_name or not all(LABEL.fullmatch(label) for label in labels):
        raise BadAddress(
            "The address has no valid host.",
            why="A host must be a DNS name or an IP address. It can't be empty, a path, a socket or a list.",
            fix="Write it as postgres://user@db.example.com:5432/name. On this machine, use 127.0.0.1.",
        )
    if NUMBER.fullmatch(labels[-1]):
        raise BadAddress(
            "The address has no valid host.",
            why="Its last part is a number, so it looks like an IPv4 address, but it isn't a complete one.",
            fix="Write an IPv4 address as four decimal numbers, such as 192.0.2.7.",
        )
    return host


def checked_port(text: str) -> int:
    """Raises BadAddress."""
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 1 <= int(text) <= 65535:
        raise BadAddress("The address has no valid port.", fix="A port is a number from 1 to 65535.")
    return int(text)


def _unmapped(address: IPAddress) -> IPAddress:
    """The IPv4 address that an IPv6 address embeds, if any."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    is_compatible = 1 < int(address) < 2**32
    if is_compatible or any(address in network for network in TRANSLATED):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_special(address: IPAddress) -> bool:
    """Addresses without databases: link-local (with cloud credentials), multicast, unspecified, reserved."""
    is_this_network = isinstance(address, ipaddress.IPv4Address) and address in ipaddress.ip_network("0.0.0.0/8")
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or is_this_network
        or (address.is_reserved and not address.is_loopback)
        or (isinstance(address, ipaddress.IPv6Address) and address in OWN_LINK)
    )
