"""Absolute addresses that answers carry, as their reader reaches us: also through a forwarder on his own machine."""

from __future__ import annotations

from fastapi import Request


def absolute(request: Request, path: str) -> str:
    """`path` has no leading slash. A forwarder says in X-Forwarded-Host and -Proto how it is reached itself."""
    host = request.headers.get("x-forwarded-host") or request.headers.get("host") or request.url.netloc
    scheme = request.headers.get("x-forwarded-proto") or request.url.scheme
    return f"{scheme}://{host}/{path}"
