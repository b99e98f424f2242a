"""Free ports of this host, found by trying to bind them and never assumed."""

from __future__ import annotations

import errno
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def candidates(among: range, *, home: Path) -> Iterator[int]:
    """Ports in the order in which to try them: two installations begin to look at different places.

    Without those that the kernel takes for outgoing connections: who restarts there may find its port gone.
    """
    start = zlib.crc32(str(home).encode()) % len(among)
    ephemeral = _ephemeral_ports()
    for step in range(len(among)):
        port = among[(start + step) % len(among)]
        if port not in ephemeral:
            yield port


def is_free(port: int, *, address: str) -> bool:
    """Nobody listens there. Raises OSError where the address isn't one of this host."""
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
