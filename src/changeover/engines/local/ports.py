"""Chooses the port for a new server or pooler."""

from __future__ import annotations

from pathlib import Path

from changeover.errors import BadRequest, HostFull
from changeover.hosts.ports import candidates, is_free

AMONG = range(20000, 30000)
POOLERS = range(30000, 32768)


def free_port(address: str, *, taken: frozenset[int], home: Path, among: range = AMONG) -> int:
    """A free port at `address`. Raises HostFull, and BadRequest if the address doesn't belong to this host."""
    try:
        for port in candidates(among, home=home):
            if port not in taken and is_free(port, address=address):
                return port
    except OSError as refused:
        raise BadRequest(
            f"No server can listen on {address}.", why=f"{refused.strerror}.", fix="Use an address of this host."
        ) from refused
    raise HostFull(
        f"This host has no free port for another database on {address}.",
        why=f"Every port from {among.start} to {among.stop - 1} is taken.",
        fix="Destroy databases that are no longer needed, or stop other programs that listen there.",
    )
