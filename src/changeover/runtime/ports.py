"""The ports of an app's web dynos: a block that the router is told of once, so that replacing a dyno changes nothing there.

Plain values that the caller stores; nothing is remembered here.
"""

from __future__ import annotations

import errno
import socket
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from changeover.errors import HostFull

FIRST, COUNT = 10000, 10000
SMALLEST = 4
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


@dataclass(frozen=True)
class PortPool:
    """The declared ports of one app."""

    ports: tuple[int, ...] = ()

    def grown(self, dynos: int, *, taken: Collection[int], home: Path) -> PortPool:
        """Room for so many dynos and as many successors: itself when it has that, else with further ports.

        `taken`: the ports of all other pools. Raises HostFull.
        """
        missing = max(SMALLEST, 2 * dynos) - len(self.ports)
        if missing <= 0:
            return self
        return PortPool(self.ports + _free_ports(missing, taken={*taken, *self.ports}, home=home))

    def pick(self, count: int, *, in_use: Collection[int]) -> tuple[int, ...]:
        """Ports for new dynos: declared, not `in_use` by present ones, and free just now. Raises HostFull."""
        free = [port for port in self.ports if port not in in_use and is_free(port)][:count]
        if len(free) < count:
            raise HostFull(
                "No port is free for another web dyno.",
                why=f"Of the app's {len(self.ports)} ports {len(free)} are free, and {count} are needed.",
                fix="Wait until the dynos that are being replaced have ended, then try again.",
            )
        return tuple(free)


def is_free(port: int) -> bool:
    """Nobody listens there, at any IPv4 address of this host."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - dynos may listen at any address; nobody is served here
        except OSError as taken:
            if taken.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _free_ports(count: int, *, taken: Collection[int], home: Path) -> tuple[int, ...]:
    start = zlib.crc32(str(home).encode()) % COUNT
    candidates = (FIRST + (start + step) % COUNT for step in range(COUNT))
    ephemeral = _ephemeral_ports()
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            break
        if port not in taken and port not in ephemeral and is_free(port):
            found.append(port)
    if len(found) < count:
        raise HostFull(
            "This host has no free ports for more web dynos.",
            why=f"Of the ports from {FIRST} to {FIRST + COUNT - 1} only {len(found)} are free; {count} are needed.",
            fix="Scale other apps down, or end the other programs that listen there.",
        )
    return tuple(found)


def _ephemeral_ports() -> range:
    """Where the kernel takes ports for outgoing connections; a dyno that restarts there may find its port gone."""
    try:
        low, high = EPHEMERAL.read_text().split()
    except FileNotFoundError:
        return range(32768, 61000)
    return range(int(low), int(high) + 1)
