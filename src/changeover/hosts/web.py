"""Fetches a URL that a user gave: over https, or http on this machine, and only from allowed addresses.

Every redirect is checked like the first URL. The connection goes to the checked addresses.
"""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import Request

from changeover.errors import ChangeoverError
from changeover.errors.elsewhere import BadAddress
from changeover.hosts.network import Reach, checked_host
from changeover.hosts.resolving import resolve
from changeover.loopback import is_loopback


def checked_url(url: str) -> str:
    """The URL without its fragment. Raises BadAddress unless it is https, or http on this machine. Sends nothing."""
    try:
        parts = urlsplit(url)
        host, is_port = checked_host(parts.hostname or ""), parts.port != 0
    except (ValueError, ChangeoverError):
        raise BadAddress("Invalid URL.", fix="Write it as https://HOST/PATH.") from None
    is_encrypted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not is_encrypted or not is_port or not url.isascii() or not url.isprintable() or " " in url:
        raise BadAddress(
            "This URL can't be used.",
            why="It must be https, or http with a loopback address, and contain only printable ASCII characters.",
            fix="Write it as https://HOST/PATH, and percent-encode special characters.",
        )
    return parts._replace(fragment="").geturl()


def open_url(request: Request, reach: Reach, *, timeout_s: float) -> Any:
    """The response, as urllib returns it, with its headers received within `timeout_s`. Blocks.

    Raises BadAddress, AddressNotAllowed, and urllib's errors.
    """
    opener = urllib.request.OpenerDirector()
    for handler in (
        _Http(reach), _Https(reach), _Redirects(), urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    request.full_url = checked_url(request.full_url)
    return opener.open(request, timeout=timeout_s)


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(  # noqa: PLR0917 - the library's own signature
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        try:
            checked = checked_url(newurl)
        except BadAddress:
            why = f"it redirects to an unencrypted URL ({newurl.partition(':')[0][:8]})"
            raise urllib.error.HTTPError(req.full_url, code, why, headers, fp) from None
        return super().redirect_request(req, fp, code, msg, headers, checked)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, reach: Reach) -> None:
        super().__init__()
        self._reach = reach

    def http_open(self, req: Request) -> Any:
        return self.do_open(_through(http.client.HTTPConnection, self._reach), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, reach: Reach) -> None:
        super().__init__()
        self._reach = reach

    def https_open(self, req: Request) -> Any:
        return self.do_open(_through(http.client.HTTPSConnection, self._reach), req)


def _through(kind: type[http.client.HTTPConnection], reach: Reach) -> Any:
    """Connections of that class, to checked addresses. The certificate must still match the host name."""

    def make(host: str, **given: Any) -> http.client.HTTPConnection:
        made = kind(host, **given)
        made._create_connection = lambda to, *more: _connect(to, reach, *more)  # type: ignore[attr-defined]
        return made

    return make


def _connect(to: tuple[str, int], reach: Reach, *more: Any) -> socket.socket:
    """Connects to the first address that answers."""
    failure: OSError | None = None
    for address in resolve(checked_host(to[0]), reach):
        try:
            return socket.create_connection((address, to[1]), *more)
        except OSError as refused:
            failure = refused
    raise failure or OSError("the host has no address")
