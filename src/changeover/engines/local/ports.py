"""Which port of an address a new server or pooler listens at."""

from __future__ import annotations

from pathlib import Path

from changeover.errors import BadRequest, HostFull
from changeover.hosts.ports import candidates, is_free

AMONG = range(20000, 30000)
POOLERS = range(30000, 32768)


def free_port(address: str, *, taken: frozenset[int], home: Path, among: range = AMONG) -> int:
    """A port that nobody listens on at `address`. Raises HostFull, BadRequest when the address isn't one of this host."""
    try:
        for port in candidates(among, home=home):
            if port not in taken and is_free(port, address=address):
                return port
    except OSError as refused:
        raise BadRequest(
            f"Nothing can listen on {address}.", why=f"{refused.strerror}.", fix="Name an address of this host."
        ) from refused
    raise HostFull(
        f"This host has no free port for another database on {address}.",
        why=f"Every port from {among.start} to {among.stop - 1} is taken.",
        fix="Destroy databases that nobody needs, or end the other programs that listen there.",
    )
