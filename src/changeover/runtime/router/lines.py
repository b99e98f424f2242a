"""Formats a request as a log line like Heroku's router. Pure: takes a record of Caddy's log, returns text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from changeover.runtime.router.configuration import NO_DYNOS

SOURCE, DYNO = "heroku", "router"
LONGEST_PATH = 4000
CLIENT_GONE = 499

Record = Mapping[str, Any]


def router_line(record: Record, dyno_names: Mapping[int, str]) -> str:
    """The log line of one request. `dyno_names`: the app's web dynos by port.

    Times are in milliseconds. `connect` is the time until a dyno had the request, including the search and waiting for one.
    """
    request = record.get("request", {})
    level, code, description = _verdict(record, dyno_names)
    words = [f"at={level}"]
    if code:
        words += [f"code={code}", f'desc="{description}"']
    words += [
        f"method={_bare(request.get('method'))}",
        f'path="{_quoted(request.get("uri"))}"',
        f"host={_bare(str(request.get('host', '')).rpartition(':')[0] or request.get('host'))}",
        f"request_id={_bare(record.get('request_id'))}",
        f'fwd="{_quoted(request.get("client_ip") or request.get("remote_ip"))}"',
        *_answer(record, dyno_names, was_proxied=code in {"", "H12", "H13", "H27"}),
        f"protocol={'https' if 'tls' in request else 'http'}",
    ]
    return " ".join(words)


def _verdict(record: Record, dyno_names: Mapping[int, str]) -> tuple[str, str, str]:
    """Level, Heroku's code, and its description."""
    error, status = str(record.get("error") or ""), int(record.get("error_status") or 0)
    if record.get("maintenance"):
        return "info", "H80", "Maintenance mode"
    if CLIENT_GONE in (record.get("status"), status):
        return "warning", "H27", "Client Request Interrupted"
    return ("error", *_failure(error, status, dyno_names)) if error else ("info", "", "")


def _failure(error: str, status: int, dyno_names: Mapping[int, str]) -> tuple[str, str]:
    """Caddy always answers with its page and 503, so the code is derived from its error."""
    if error == NO_DYNOS or not dyno_names:
        return "H14", "No web processes running"
    if "dial" in error or "no upstreams available" in error:
        return "H10", "App crashed"
    if status == 504 or "timeout" in error:
        return "H12", "Request timeout"
    return "H13", "Connection closed without response"


def _answer(record: Record, dyno_names: Mapping[int, str], *, was_proxied: bool) -> list[str]:
    """The dyno, its times and the result. Values that don't apply are left out, as Heroku does."""
    status, size = int(record.get("status") or 0), int(record.get("size") or 0)
    if not was_proxied:
        return ["dyno=", "connect=", "service=", f"status={status}", "bytes="]
    port = str(record.get("port") or "")
    dyno = dyno_names.get(int(port), "") if port.isdigit() else ""
    service = _milliseconds(record.get("service_ms"), record.get("duration", 0) * 1000)
    connect = max(0, _milliseconds(record.get("proxied_ms"), service) - service)
    return [f"dyno={dyno}", f"connect={connect}ms", f"service={service}ms", f"status={status}", f"bytes={size}"]


def _milliseconds(value: object, otherwise: float) -> int:
    return math.floor(value if isinstance(value, (int, float)) else otherwise)


def _bare(value: object) -> str:
    """A word without spaces, because clients choose hosts and methods."""
    return _quoted(value).replace(" ", "%20").replace("=", "%3D")


def _quoted(value: object) -> str:
    """Escapes characters that would end the quotes or the line, or affect a terminal."""
    text = str(value or "")
    safe = "".join(char if char.isprintable() and char != '"' else _percent(char) for char in text[:LONGEST_PATH])
    return safe + ("…" if len(text) > LONGEST_PATH else "")


def _percent(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode(errors="replace"))
