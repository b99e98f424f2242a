"""The HTTP client of the command line: one connection, JSON in and out, failures as errors.

Finds the control plane (from settings, or from the file that it writes into its home). Independent of commands and of output.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from changeover.errors import BadSetting, ChangeoverError, NoAnswer, NotRunning, Reported, Unauthorized
from changeover.loopback import is_loopback
from changeover.settings import Settings

if TYPE_CHECKING:
    import ssl

ACCEPT = "application/vnd.heroku+json; version=3"
IDLE_S = 2.0
"""After this time the server may be closing the connection, so a new one is opened before anything is sent."""
UPLOAD_S = 600.0
"""How long a server may take to unpack a deploy."""


@dataclass(frozen=True)
class Endpoint:
    """The address of the control plane, and our token."""

    url: str
    token: str

    @classmethod
    def find(cls, settings: Settings) -> Endpoint:
        """From the settings, or else from the home of a running server. Raises NotRunning without either."""
        url = settings.url or _written_url(settings)
        _refuse_open_wire(url)
        return cls(url.rstrip("/"), settings.api_key or _written_token(settings))

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or (443 if parts.scheme == "https" else 80)


@dataclass(frozen=True)
class Answer:
    """A response: status, parsed body (None if empty), headers in lower case."""

    status: int
    body: Any
    headers: dict[str, str]


class Client:
    """A client of one control plane with one persistent connection. Not thread-safe."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        on_warning: Callable[[str], None],
        timeout_s: float = 60.0,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self.endpoint, self.timeout_s, self._trust = endpoint, timeout_s, trust
        self._on_warning, self._warned = on_warning, set[str]()
        self._connection: http.client.HTTPConnection | None = None
        self._used_at = 0.0
        self._mark = "0"

    def get(self, path: str, *, order: str | None = None) -> Any:
        """All pages of the resource at `path`. With `order` (a Range), only what that requests."""
        answer = self.request("GET", path, headers={"Range": order} if order else {})
        if order or not isinstance(answer.body, list):
            return answer.body
        items = list(answer.body)
        while next_range := answer.headers.get("next-range"):
            answer = self.request("GET", path, headers={"Range": next_range})
            items += answer.body
        return items

    def pause(self, seconds: float) -> None:
        """Waits until any run has ended, at most the given time."""
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                mark = str(
                    self.get(f"/changeover/v1/runs/ends?after={self._mark}&within_ms={int(left_s * 1000)}")["mark"]
                )
            except ChangeoverError:  # it is restarting, or doesn't have this route
                time.sleep(left_s)
                return
            if mark != self._mark:
                self._mark = mark
                return

    def post(self, path: str, body: Any = None) -> Any:
        return self.request("POST", path, body).body

    def put(self, path: str, body: Any = None) -> Any:
        return self.request("PUT", path, body).body

    def patch(self, path: str, body: Any) -> Any:
        return self.request("PATCH", path, body).body

    def delete(self, path: str, body: Any = None) -> Any:
        return self.request("DELETE", path, body).body

    def request(self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> Answer:
        """Send one request.

        Raises Reported if the server refuses, NotRunning if none runs, NoAnswer if it does not answer.
        """
        content = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json"} if content is not None else {}
        return self._judged(self._exchange(method, path, content, self._headers() | sent | (headers or {})))

    def upload(self, path: str, content: IO[bytes], *, size_bytes: int, kind: str, sha256: bytes) -> Any:
        """POST the rest of `content`, which is streamed. `kind` is its media type.

        The server verifies `sha256`, its digest. If the server refuses before it has read everything, its answer is still
        received.
        """
        headers = self._headers() | {"Content-Type": kind, "Content-Length": str(size_bytes)}
        headers["Content-Digest"] = f"sha-256=:{base64.b64encode(sha256).decode()}:"
        connection = _connection(self.endpoint, UPLOAD_S, self._trust)
        try:
            connection.connect()
        except OSError as error:
            raise _unreachable(self.endpoint, error) from error
        try:
            with suppress(BrokenPipeError, ConnectionResetError):
                connection.request("POST", urlsplit(self.endpoint.url).path + path, body=content, headers=headers)
            response = connection.getresponse()
            answer = _answer(response, response.read())
        except (OSError, http.client.HTTPException) as error:
            raise _silence(self._unanswered("POST", path), "POST", error) from error
        finally:
            connection.close()
        return self._judged(answer).body

    def _headers(self) -> dict[str, str]:
        return {"Accept": ACCEPT, "Authorization": f"Bearer {self.endpoint.token}", "User-Agent": "changeover-cli"}

    def _judged(self, answer: Answer) -> Answer:
        for name in ("x-heroku-warning", "warning-message"):
            self.warn(answer.headers.get(name))
        if answer.status >= 400:
            raise _failure(answer)
        return answer

    def _exchange(self, method: str, path: str, content: bytes | None, headers: dict[str, str]) -> Answer:
        attempts = 2 if method == "GET" else 1
        for attempt in range(1, attempts + 1):
            connection = self._open()
            try:
                connection.request(method, urlsplit(self.endpoint.url).path + path, body=content, headers=headers)
                response = connection.getresponse()
                answer = _answer(response, response.read())
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if attempt == attempts:
                    raise _silence(self._unanswered(method, path), method, error) from error
                continue
            self._used_at = time.monotonic()
            return answer
        raise AssertionError("the loop returns or raises")

    def _unanswered(self, method: str, path: str) -> str:
        return f"The control plane at {self.endpoint.url} did not answer {method} {path.partition('?')[0]}."

    def _open(self) -> http.client.HTTPConnection:
        """A connection that is open, so a later failure means that the server may have received the request."""
        if self._connection is not None and time.monotonic() - self._used_at < IDLE_S:
            return self._connection
        self.close()
        connection = _connection(self.endpoint, self.timeout_s, self._trust)
        try:
            connection.connect()
        except OSError as error:
            raise _unreachable(self.endpoint, error) from error
        self._connection, self._used_at = connection, time.monotonic()
        return connection

    def warn(self, text: str | None) -> None:
        """Passes on each warning of the server once."""
        if text and text not in self._warned:
            self._warned.add(text)
            self._on_warning(text.removeprefix("Warning:").strip())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def segment(text: str) -> str:
    """`text` as a segment of a path."""
    return quote(text, safe="~@")


@contextmanager
def streamed(url: str, *, headers: dict[str, str], timeout_s: float) -> Iterator[http.client.HTTPResponse]:
    """A GET of a URL from the control plane. The URL is its own proof of access, so our token is not sent.

    Raises NoAnswer without a connection. Returns responses with any status.
    """
    endpoint, parts = Endpoint(url, ""), urlsplit(url)
    connection = _connection(endpoint, timeout_s)
    try:
        connection.request("GET", parts.path + (f"?{parts.query}" if parts.query else ""), headers=headers)
        response = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise _silence(f"{parts.scheme}://{parts.netloc} did not answer.", "GET", error) from error
    try:
        yield response
    finally:
        connection.close()


def _connection(
    endpoint: Endpoint, timeout_s: float, trust: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    if urlsplit(endpoint.url).scheme == "https":
        return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=timeout_s, context=trust)
    return http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_s)


def _answer(response: http.client.HTTPResponse, content: bytes) -> Answer:
    headers = {name.lower(): value for name, value in response.getheaders()}
    is_json = headers.get("content-type", "").split(";")[0].endswith("json")
    return Answer(response.status, json.loads(content) if content and is_json else content.decode() or None, headers)


def _failure(answer: Answer) -> Reported | Unauthorized:
    if answer.status == 401:
        said = answer.body if isinstance(answer.body, dict) else {}
        return (
            Unauthorized(str(said["why"]), fix=str(said["fix"])) if "why" in said and "fix" in said else Unauthorized()
        )
    if isinstance(answer.body, dict):
        return Reported({"status": answer.status, "id": _id_of(answer.status), **answer.body})
    return Reported({"id": _id_of(answer.status), "status": answer.status, "what": _sentence(answer.status)})


def _id_of(status: int) -> str:
    return {403: "forbidden", 404: "not_found", 502: "no_answer", 503: "no_answer", 504: "no_answer"}.get(
        status, "http_error"
    )


def _sentence(status: int) -> str:
    return "Couldn't find that." if status == 404 else f"The control plane answered {status} without a reason."


def _unreachable(endpoint: Endpoint, error: OSError) -> NotRunning:
    return NotRunning(
        f"The control plane at {endpoint.url} is not reachable.",
        why=f"{_reason(error)}. Nothing was changed.",
        fix="Start it with `changeover server`, or set CHANGEOVER_URL to a running one.",
    )


def _silence(what: str, method: str, error: Exception) -> NoAnswer:
    """`what` never contains the path of a stream or a download, which is its proof of access."""
    effect = "Nothing was changed." if method == "GET" else "Whether the request took effect is unknown."
    return NoAnswer(
        what,
        why=f"{_reason(error)}. {effect}",
        fix="Check with the corresponding info command or `changeover runs`, then repeat the command if necessary.",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "It took too long"
    strerror = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(strerror).rstrip(".")


def _written_url(settings: Settings) -> str:
    try:
        return str(json.loads((settings.home / "endpoint.json").read_text())["url"])
    except FileNotFoundError:
        raise NotRunning(
            "No control plane is running here.",
            why=f"{settings.home} has no endpoint.json, which every running server writes.",
            fix="Start it with `changeover server`, or set CHANGEOVER_URL to a running one.",
        ) from None
    except PermissionError:
        raise BadSetting("CHANGEOVER_HOME", str(settings.home), wants="a readable folder") from None
    except (ValueError, KeyError, TypeError):
        raise BadSetting("CHANGEOVER_HOME", str(settings.home), wants="a readable endpoint.json") from None


def _written_token(settings: Settings) -> str:
    try:
        return (settings.home / "operator-token").read_text().strip()
    except OSError as error:
        raise Unauthorized(f"CHANGEOVER_API_KEY is not set, and {error.filename} can't be read.") from None


def _refuse_open_wire(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadSetting("CHANGEOVER_URL", url, wants="an address such as http://127.0.0.1:5000")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise BadSetting("CHANGEOVER_URL", url, wants="https for any other host, because requests contain your token")


def poll(
    fetch: Callable[[], Any],
    *,
    every_s: float,
    patience_s: float = 30.0,
    pause: Callable[[float], None] = time.sleep,
) -> Iterator[Any]:
    """The results of `fetch`, repeatedly. After the first success, tolerates failures for the duration of a restart."""
    yield fetch()
    heard_at = time.monotonic()
    while True:
        pause(every_s)
        try:
            found = fetch()
        except (NotRunning, NoAnswer):
            if time.monotonic() - heard_at > patience_s:
                raise
            continue
        heard_at = time.monotonic()
        yield found
