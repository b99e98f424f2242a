"""Finds free ports of this host by trying to bind them."""

from __future__ import annotations

import errno
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def candidates(among: range, *, home: Path) -> Iterator[int]:
    """Ports in the order to try them. The first one depends on `home`, so installations rarely collide.

    Excludes the kernel's ephemeral ports: after a restart, an outgoing connection might have taken such a port.
    """
    start = zlib.crc32(str(home).encode()) % len(among)
    ephemeral = _ephemeral_ports()
    for step in range(len(among)):
        port = among[(start + step) % len(among)]
        if port not in ephemeral:
            yield port


def is_free(port: int, *, address: str) -> bool:
    """Whether no process listens there. Raises OSError if the address doesn't belong to this host."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as taken:
            if taken.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _ephemeral_ports() -> range:
    try:
        low, high = EPHEMERAL.read_text().split()
    except FileNotFoundError:
        return range(32768, 61000)
    return range(int(low), int(high) + 1)
