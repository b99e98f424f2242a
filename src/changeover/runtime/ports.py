"""The ports of an app's web dynos: a block that the router learns once, so that replacing a dyno doesn't change its routes.

Plain values that the caller stores. Keeps no state.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from changeover.errors import HostFull
from changeover.hosts.ports import candidates, is_free

AMONG = range(10000, 20000)
ANYWHERE = "0.0.0.0"  # noqa: S104 - dynos may listen on any address; nothing is served here
SMALLEST = 4


@dataclass(frozen=True)
class PortPool:
    """The declared ports of one app."""

    ports: tuple[int, ...] = ()

    def grown(
        self, dynos: int, leftovers: int = 0, *, taken: Collection[int], home: Path, in_use: Collection[int] = ()
    ) -> PortPool:
        """Room for that many dynos and successors. Returns itself if sufficient, otherwise a pool with more ports.

        `leftovers`: ports that interrupted changes still use. `taken`: the ports of all other pools. A port that is not free and
        not `in_use` by a dyno of the app was taken by another process, so it is replaced. Raises HostFull.
        """
        usable = tuple(port for port in self.ports if port in in_use or is_free(port, address=ANYWHERE))
        missing = max(SMALLEST, 2 * dynos + leftovers) - len(usable)
        if missing <= 0 and usable == self.ports:
            return self
        return PortPool(usable + _free_ports(max(0, missing), taken={*taken, *self.ports}, home=home))

    def pick(self, count: int, *, in_use: Collection[int]) -> tuple[int, ...]:
        """Ports for new dynos: in the pool, not `in_use` by present ones, and currently free. Raises HostFull."""
        free = [port for port in self.ports if port not in in_use and is_free(port, address=ANYWHERE)][:count]
        if len(free) < count:
            raise HostFull(
                "No port is free for another web dyno.",
                why=f"{len(free)} of the app's {len(self.ports)} ports are free, but {count} are needed.",
                fix="Wait for the replaced dynos to end, then try again.",
            )
        return tuple(free)


def _free_ports(count: int, *, taken: Collection[int], home: Path) -> tuple[int, ...]:
    free = (port for port in candidates(AMONG, home=home) if port not in taken and is_free(port, address=ANYWHERE))
    found = tuple(islice(free, count))
    if len(found) < count:
        raise HostFull(
            "This host has no free ports for more web dynos.",
            why=f"Only {len(found)} of the ports from {AMONG.start} to {AMONG.stop - 1} are free, but {count} are needed.",
            fix="Scale other apps down, or stop other programs that listen there.",
        )
    return found
