"""Whether a process listens on a port, according to the kernel. Doesn't connect, so the app doesn't notice."""

from __future__ import annotations

import socket
import sys

from changeover.hosts.processes import PROC

LISTEN = "0A"
HEARD_AT = ("127.0.0.1", "0.0.0.0")  # noqa: S104 - compared, not bound
_LOOPBACK, _ANY = (f"{int.from_bytes(socket.inet_aton(one), sys.byteorder):08X}" for one in HEARD_AT)
_MAPPED = f"{int.from_bytes(bytes([0, 0, 255, 255]), sys.byteorder):08X}"
REACHED_AT = {
    "tcp": {_LOOPBACK, _ANY},
    "tcp6": {"0" * 32, f"{'0' * 16}{_MAPPED}{_LOOPBACK}"},
}
"""The local addresses that the router can reach when it connects to 127.0.0.1."""


def listens(pid: int, port: int) -> bool:
    """Whether a process of the same user listens on this port where the router can reach it."""
    uid = _user_of(pid)
    for table, addresses in REACHED_AT.items():
        try:
            rows = (PROC / str(pid) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            return False
        wanted = {f"{address}:{port:04X}" for address in addresses}
        if any(words[1] in wanted and words[3] == LISTEN and words[7] == uid for words in map(str.split, rows)):
            return True
    return False


def _user_of(pid: int) -> str:
    """The effective uid. Empty when the process is gone."""
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return ""
    return next((line.split()[2] for line in lines if line.startswith("Uid:")), "")
