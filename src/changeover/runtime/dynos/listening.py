"""Whether a process's port is listened at, read from the kernel: nobody is connected to, so that no app sees it."""

from __future__ import annotations

from changeover.hosts.processes import PROC

LISTEN = "0A"


def listens(pid: int, port: int) -> bool:
    """Somebody listens at this port in the process's network, at any address."""
    wanted = f":{port:04X}"
    for table in ("tcp", "tcp6"):
        try:
            rows = (PROC / str(pid) / "net" / table).read_text().splitlines()[1:]
        except OSError:
            return False
        if any(words[1].endswith(wanted) and words[3] == LISTEN for words in map(str.split, rows)):
            return True
    return False
