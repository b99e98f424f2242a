"""Free ports, found by trying to bind them and never assumed."""

from __future__ import annotations

import errno
import socket
import zlib
from pathlib import Path

from changeover.errors import BadRequest, HostFull

FIRST, COUNT = 20000, 10000
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port(address: str, *, taken: frozenset[int], home: Path) -> int:
    """A port that nobody listens on at `address`. Two installations begin to look at different places.

    Raises HostFull when there is none, BadRequest when the address isn't one of this host.
    """
    start = zlib.crc32(str(home).encode()) % COUNT
    ephemeral = _ephemeral_ports()
    for step in range(COUNT):
        port = FIRST + (start + step) % COUNT
        if port not in taken and port not in ephemeral and _is_free(address, port):
            return port
    raise HostFull(
        f"This host has no free port for another database on {address}.",
        why=f"Every port from {FIRST} to {FIRST + COUNT - 1} is taken.",
        fix="Destroy databases that nobody needs, or end the other programs that listen there.",
    )


def _is_free(address: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as taken:
            if taken.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise BadRequest(
                f"No server can listen on {address}.", why=f"{taken.strerror}.", fix="Name an address of this host."
            ) from taken
    return True


def _ephemeral_ports() -> range:
    """Where the kernel takes ports for outgoing connections; a server that restarts there may find its port gone."""
    try:
        low, high = EPHEMERAL.read_text().split()
    except FileNotFoundError:
        return range(32768, 61000)
    return range(int(low), int(high) + 1)
