"""Absolute URLs in answers, as the caller reaches us, and the address of the caller."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi import Request

from changeover.loopback import is_loopback
from changeover.platform.desk import Desk

HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?")


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def absolute(request: Request, path: str) -> str:
    """`path` has no leading slash.

    X-Forwarded-Host and -Proto are used if a trusted proxy sends them, or if they are the caller's own machine, where
    `changeover proxy` forwards to us.
    """
    forwarded, scheme = request.headers.get("x-forwarded-host", ""), request.headers.get("x-forwarded-proto", "")
    is_usable = HOST.fullmatch(forwarded) is not None and scheme in ("http", "https")
    if is_usable and (_is_trusted(request, _peer(request)) or is_loopback(urlsplit(f"//{forwarded}").hostname or "")):
        return f"{scheme}://{forwarded}/{path}"
    host = request.headers.get("host", "")
    return f"{request.url.scheme}://{host if HOST.fullmatch(host) else _served_at(request)}/{path}"


def client_address(request: Request) -> str:
    """The peer's address, or the last one in X-Forwarded-For that is not a trusted proxy's."""
    hops = [hop.strip() for value in request.headers.getlist("x-forwarded-for") for hop in value.split(",")]
    address = _peer(request)
    while hops and _is_trusted(request, address):
        hop = hops.pop()
        if not _is_address(hop):
            break  # the proxy forwarded its client's text
        address = hop
    return address


def _peer(request: Request) -> str:
    return request.client.host if request.client else ""


def _served_at(request: Request) -> str:
    host, port = request.scope["server"]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _is_trusted(request: Request, address: str) -> bool:
    return is_in(address, desk_of(request).parts.trusted_proxies)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def is_in(address: str, networks: Sequence[str]) -> bool:
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(known in ipaddress.ip_network(network) for network in networks)
