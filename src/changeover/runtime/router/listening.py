"""The router's address: parsing it, opening its socket, and checking for connected clients.

We open the socket and Caddy inherits it. A new configuration then keeps using it, while Caddy would open another one and lose
waiting connections. While a killed Caddy is restarted, clients wait instead of being refused.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from changeover.errors import BadSetting, PortTaken
from changeover.hosts.ports import candidates
from changeover.runtime.router.router import Address

AMONG = range(8000, 9000)
BACKLOG = 4096
SILENT_S = 5
ESTABLISHED = "01"


def parse_listen(text: str) -> Address:
    """Parses `HOST:PORT`. Port 0 means any free one. Raises BadSetting."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise BadSetting("--router-listen", text, wants="HOST:PORT, such as 127.0.0.1:8080 (port 0 picks a free one)")
    host = host.strip("[]")
    return Address("127.0.0.1" if host == "localhost" else host, int(port))


def address_of(listener: socket.socket) -> Address:
    host, port, *_ = listener.getsockname()
    return Address(str(host), int(port))


def open_listener(asked: Address, remembered: Address | None, *, home: Path) -> socket.socket:
    """At the given address. For port 0, at the remembered one if free, else at another. Raises PortTaken, BadSetting."""
    candidates = [asked] if asked.port else _candidates(asked.host, remembered, home)
    for candidate in candidates:
        if listener := _open(candidate):
            return listener
    raise PortTaken(
        f"The router can't listen on {asked}.",
        why="Another program uses this port."
        if asked.port
        else f"None of the {len(AMONG)} ports from {AMONG.start} is free.",
        fix="Stop it (`ss -ltnp` shows it), or choose another port: --router-listen 127.0.0.1:0 picks a free one.",
    )


def _candidates(host: str, remembered: Address | None, home: Path) -> Iterator[Address]:
    if remembered and remembered.host == host:
        yield remembered
    yield from (Address(host, port) for port in candidates(AMONG, home=home))


def _open(address: Address) -> socket.socket | None:
    """None if another program listens there. Raises BadSetting for an address that we can't listen on."""
    listener = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Caddy gets a connection only with its first request: a new configuration drops accepted connections that were not read
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, SILENT_S)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as taken:
        listener.close()
        if taken.errno == errno.EADDRINUSE:
            return None
        wants = f"an address and a port of this host that we may listen on ({taken.strerror})"
        raise BadSetting("--router-listen", str(address), wants=wants) from taken
    return listener


def has_clients(port: int) -> bool:
    """Whether any client is connected to this port of this host."""
    here = f":{port:04X}"
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        try:
            lines = table.read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for line in lines:
            _, local, _, state, *_ = line.split(maxsplit=4)
            if state == ESTABLISHED and local.endswith(here):
                return True
    return False
