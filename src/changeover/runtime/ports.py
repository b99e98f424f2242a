"""The ports of an app's web dynos: a block that the router is told of once, so that replacing a dyno changes nothing there.

Plain values that the caller stores; nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from changeover.errors import HostFull
from changeover.hosts.ports import candidates, is_free

AMONG = range(10000, 20000)
ANYWHERE = "0.0.0.0"  # noqa: S104 - dynos may listen at any address; nobody is served here
SMALLEST = 4


@dataclass(frozen=True)
class PortPool:
    """The declared ports of one app."""

    ports: tuple[int, ...] = ()

    def grown(
        self, dynos: int, leftovers: int = 0, *, taken: Collection[int], home: Path, in_use: Collection[int] = ()
    ) -> PortPool:
        """Room for so many dynos and as many successors: itself when it has that, else with further ports.

        `leftovers`: ports that interrupted changes still hold. `taken`: the ports of all other pools. A port that is not `in_use`
        by a dyno of the app and not free was taken by another process: it is replaced. Raises HostFull.
        """
        usable = tuple(port for port in self.ports if port in in_use or is_free(port, address=ANYWHERE))
        missing = max(SMALLEST, 2 * dynos + leftovers) - len(usable)
        if missing <= 0 and usable == self.ports:
            return self
        return PortPool(usable + _free_ports(max(0, missing), taken={*taken, *self.ports}, home=home))

    def pick(self, count: int, *, in_use: Collection[int]) -> tuple[int, ...]:
        """Ports for new dynos: declared, not `in_use` by present ones, and free just now. Raises HostFull."""
        free = [port for port in self.ports if port not in in_use and is_free(port, address=ANYWHERE)][:count]
        if len(free) < count:
            raise HostFull(
                "No port is free for another web dyno.",
                why=f"Of the app's {len(self.ports)} ports {len(free)} are free, and {count} are needed.",
                fix="Wait until the dynos that are being replaced have ended, then try again.",
            )
        return tuple(free)


def _free_ports(count: int, *, taken: Collection[int], home: Path) -> tuple[int, ...]:
    free = (port for port in candidates(AMONG, home=home) if port not in taken and is_free(port, address=ANYWHERE))
    found = tuple(islice(free, count))
    if len(found) < count:
        raise HostFull(
            "This host has no free ports for more web dynos.",
            why=f"Of the ports from {AMONG.start} to {AMONG.stop - 1} only {len(found)} are free; {count} are needed.",
            fix="Scale other apps down, or end the other programs that listen there.",
        )
    return found
