"""Caddy's configuration as plain values: pure functions of the number of apps it has room for.

Loading a configuration can lose requests, because Caddy drops just accepted and idle connections. So it does not contain
apps. It has *lanes*, each for any one app, and finds in files which hostname has which lane, which dynos a lane forwards to
(slots), maintenance mode, and pages. It reads them for each request, so changing a file disturbs no connection.
"""

from __future__ import annotations

import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from changeover.runtime.router.places import APP, ERROR, MAINTENANCE, SLOTS, RouterPlaces

Json = dict[str, Any]

SERVER = "apps"
KNOWN = "known-hosts"
INHERITED = "fd/0"
NO_DYNOS = "no web dynos"
SITE_HOST = "Changeover-Site-Host"
CLAIMS = (
    "Forwarded", "X-Forwarded*", "X_Forwarded*", "X-Real-Ip", "X-Client-Ip", "X-Cluster-Client-Ip", "True-Client-Ip",
    "X-Original-Host", "X-Url-Scheme", "Front-End-Https",
)  # fmt: skip
"""Headers in which a proxy identifies the client. Some servers map those with `_` to the same variable."""
PAGE_HEADERS = {
    "Content-Type": ["text/html; charset=utf-8"],
    "Cache-Control": ["no-store"],
    "Retry-After": ["5"],
}
NO_SUCH_APP = (
    "<!DOCTYPE html><html lang=en><meta charset=utf-8><title>No such app</title>"
    "<h1>There is no app here</h1><p>No app answers to the name that this address has.</p></html>\n"
)


@dataclass(frozen=True)
class Room:
    """How many apps, and how many dynos of each, a configuration supports."""

    lanes: int = 32
    slots: int = 24

    def grown(self, *, apps: int, dynos: int) -> Room:
        """Itself if sufficient, otherwise doubled, so that it grows rarely."""
        lanes, slots = self.lanes, self.slots
        while lanes < apps:
            lanes *= 2
        while slots < dynos:
            slots *= 2
        return Room(lanes, slots)


def configuration(room: Room, places: RouterPlaces, trusted_proxies: tuple[str, ...] = ()) -> Json:
    """The complete configuration. `trusted_proxies`: networks whose X-Forwarded headers are trusted."""
    server = {
        "listen": [INHERITED],
        "protocols": ["h1"],
        "automatic_https": {"disable": True},
        "read_header_timeout": "30s",
        "max_header_bytes": 64 * 1024,
        "logs": {"default_logger_name": SERVER},
        **_trust(trusted_proxies),
        "routes": [
            _draining_route(places),
            *_request_id_routes(),
            *_forwarded_routes(trusted_proxies),
            *_host_routes(),
            _known_host_route(room, places),
            _unknown_host_route(),
        ],
    }
    return {
        "admin": {"listen": f"unix/{places.socket}|0600", "config": {"persist": False}},
        "logging": _logging(places),
        "storage": {"module": "file_system", "root": str(places.storage)},
        "apps": {"http": {"grace_period": "10s", "servers": {SERVER: server}}},
    }


def room_in(config: Json | None) -> Room:
    """The capacity of one of our configurations. The default for any other."""
    try:
        routes = config["apps"]["http"]["servers"][SERVER]["routes"] if config else []
        (known,) = [route for route in routes if route.get("@id") == KNOWN]
        lanes = [route for route in known["handle"][-1]["routes"] if "match" in route]
        return Room(len(lanes), max(len(_slots_in(lane)) for lane in lanes))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError):
        return Room()


def _slots_in(lane: Json) -> list[Json]:
    slots: list[Json] = lane["handle"][-1]["routes"][1]["handle"][0]["upstreams"]
    return slots


def slot_contents(ports: tuple[int, ...], slots: int) -> list[str]:
    """The content of each slot: the ports in turn, so that using slots in turn uses dynos in turn. Empty without ports."""
    return [f"127.0.0.1:{ports[slot % len(ports)]}" for slot in range(slots)] if ports else []


# -- parts


def _draining_route(places: RouterPlaces) -> Json:
    """Only for final responses, because a connection that is upgraded to a websocket has to stay open."""
    close = {"set": {"Connection": ["close"]}, "deferred": True, "require": {"status_code": [2, 3, 4, 5]}}
    return {"match": [_file_exists(places.draining)], "handle": [{"handler": "headers", "response": close}]}


def _request_id_routes() -> list[Json]:
    """Keeps a valid X-Request-Id of the client, as Heroku does. Otherwise generates one."""
    usable = {"X-Request-Id": {"name": "given", "pattern": "^[A-Za-z0-9_.-]{20,200}$"}}
    given = {"handler": "vars", "request_id": "{http.request.header.X-Request-Id}"}
    return [
        {"handle": [{"handler": "vars", "request_id": "{http.request.uuid}"}]},
        {"match": [{"header_regexp": usable}], "handle": [given]},
    ]


def _trust(proxies: tuple[str, ...]) -> Json:
    """X-Forwarded-For is read from the right. The first untrusted address is the client's."""
    source = {"source": "static", "ranges": list(proxies)}
    return {"trusted_proxies": source, "trusted_proxies_strict": 1} if proxies else {}


def _forwarded_routes(trusted_proxies: tuple[str, ...]) -> list[Json]:
    """Removes what clients claim about themselves, unless a trusted proxy sent it.

    The port is that of the Host header, or else the local port of the connection. A trusted proxy's value takes precedence.
    Caddy sets X-Forwarded-For, -Proto and -Host by the same rule.
    """
    is_trusted = {"remote_ip": {"ranges": list(trusted_proxies)}}
    claims = {"handler": "headers", "request": {"delete": list(CLAIMS)}}
    own = {"handler": "vars", "forwarded_port": "{http.request.local.port}"}
    in_host = {"Host": {"name": "host_port", "pattern": ":[0-9]{1,5}$"}}
    given = {"X-Forwarded-Port": {"name": "given_port", "pattern": "^[0-9]{1,5}$"}}
    routes: list[Json] = [
        {"match": [{"not": [is_trusted]}] if trusted_proxies else [{}], "handle": [claims]},
        {"handle": [own]},
        {"match": [{"header_regexp": in_host}], "handle": [_forwarded_port("{http.request.port}")]},
    ]
    if trusted_proxies:
        https = {**is_trusted, "header": {"X-Forwarded-Proto": ["https"]}}
        routes += [
            {"match": [https], "handle": [_forwarded_port("443")]},
            {
                "match": [{**is_trusted, "header_regexp": given}],
                "handle": [_forwarded_port("{http.request.header.X-Forwarded-Port}")],
            },
        ]
    return routes


def _forwarded_port(value: str) -> Json:
    return {"handler": "vars", "forwarded_port": value}


def _host_routes() -> list[Json]:
    """The normalized host that selects the app: in lower case, without a trailing dot. The app sees it as sent.

    Caddy has no function for this, but can replace text in headers, so a temporary header is used.
    """
    plain = {"handler": "vars", "site_host": "{http.request.host}"}
    unusual = {"Host": {"name": "unusual_host", "pattern": "[A-Z]|\\.(:[0-9]*)?$"}}
    lower = [{"search": letter, "replace": letter.lower()} for letter in string.ascii_uppercase]
    changes = {SITE_HOST: [*lower, {"search_regexp": "\\.$", "replace": ""}]}
    normalized = [
        {"handler": "headers", "request": {"set": {SITE_HOST: ["{http.request.host}"]}}},
        {"handler": "headers", "request": {"replace": changes}},
        {"handler": "vars", "site_host": f"{{http.request.header.{SITE_HOST}}}"},
        {"handler": "headers", "request": {"delete": [SITE_HOST]}},
    ]
    return [{"handle": [plain]}, {"match": [{"header_regexp": unusual}], "handle": normalized}]


def _unknown_host_route() -> Json:
    headers = {"Content-Type": PAGE_HEADERS["Content-Type"], "Cache-Control": ["no-store"]}
    answer = {"handler": "static_response", "status_code": 404, "headers": headers, "body": NO_SUCH_APP}
    return {"handle": [{"handler": "vars", "log_skip": True}, answer]}


def _known_host_route(room: Room, places: RouterPlaces) -> Json:
    """A file named after the lane, in a folder named after the host, says where the request goes."""
    number = {"input_regexp": "/([0-9]+)$", "outputs": ["$1"]}
    source = "{http.matchers.file.relative}"
    lanes = [_lane_route(lane, room, places) for lane in range(room.lanes)]
    # a lane that only the next configuration, loaded in a moment, will have
    not_yet = {"handle": [{"handler": "error", "error": "no such lane", "status_code": "503"}]}
    return {
        "@id": KNOWN,
        "match": [{"file": {"root": str(places.hosts), "try_files": ["/{http.vars.site_host}/*"]}}],
        "terminal": True,
        "handle": [
            {"handler": "map", "source": source, "destinations": ["{lane_number}"], "mappings": [number]},
            {"handler": "vars", "lane": "{lane_number}"},
            {"handler": "subroute", "routes": [*lanes, not_yet]},
        ],
    }


def _lane_route(number: int, room: Room, places: RouterPlaces) -> Json:
    lane = places.lane(number)
    inside = {
        "handler": "subroute",
        "routes": [
            {
                "match": [_file_exists(lane / MAINTENANCE)],
                "terminal": True,
                "handle": [_noted("maintenance", "on"), _page(lane / MAINTENANCE)],
            },
            {"match": [_file_exists(lane / SLOTS / "0")], "terminal": True, "handle": [_proxy(lane, room)]},
            {"handle": [{"handler": "error", "error": NO_DYNOS, "status_code": "503"}]},
        ],
        "errors": {
            "routes": [
                {
                    "handle": [
                        _noted("error", "{http.error.message}"),
                        _noted("error_status", "{http.error.status_code}"),
                    ]
                },
                {"handle": [_page(lane / ERROR)]},
            ]
        },
    }
    noted = [
        _noted("app", f"{{file.{lane / APP}}}"),
        _noted("request_id", "request_id"),
        _noted("port", "{http.reverse_proxy.upstream.port}"),
        _noted("proxied_ms", "{http.reverse_proxy.duration_ms}"),
        _noted("service_ms", "{http.reverse_proxy.upstream.duration_ms}"),
    ]
    return {"match": [{"vars": {"lane": [str(number)]}}], "terminal": True, "handle": [*noted, inside]}


def _proxy(lane: Path, room: Room) -> Json:
    """Uses slots in turn. A slot that refuses connections is skipped for half a second while others are tried, up to 5 s.

    No `retries`, which would end the 5 s early. Idle connections to dynos are closed after a second, before the app's server
    does it: a POST on a connection that is being closed can't be repeated.
    """
    slots = [f"{{file.{lane / SLOTS / str(number)}}}" for number in range(room.slots)]
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": slot} for slot in slots],
        "load_balancing": {
            "selection_policy": {"policy": "round_robin"},
            "try_duration": "5s",
            "try_interval": "20ms",
            "retry_match": [{"method": ["GET", "HEAD", "OPTIONS"]}],
        },
        "health_checks": {"passive": {"fail_duration": "500ms", "max_fails": 1}},
        "transport": {
            "protocol": "http",
            "compression": False,
            "dial_timeout": "5s",
            "response_header_timeout": "30s",
            "keep_alive": {"idle_timeout": "1s"},
        },
        "stream_close_delay": "24h",
        "headers": {
            "request": {
                "set": {
                    "X-Request-Id": ["{http.vars.request_id}"],
                    "X-Request-Start": ["{time.now.unix_ms}"],
                    "X-Forwarded-Port": ["{http.vars.forwarded_port}"],
                }
            }
        },
    }


def _page(path: Path) -> Json:
    return {
        "handler": "static_response",
        "status_code": 503,
        "headers": PAGE_HEADERS,
        "body": f"{{file.{path}}}",
    }


def _file_exists(path: Path) -> Json:
    return {"file": {"root": str(path.parent), "try_files": [f"/{path.name}"]}}


def _noted(key: str, value: str) -> Json:
    """A field of the access log."""
    return {"handler": "log_append", "key": key, "value": value}


def _logging(places: RouterPlaces) -> Json:
    """Headers are not logged, because they contain cookies and tokens. Both logs are limited in size."""
    unsaid = ("request>headers", "request>tls", "resp_headers", "user_id", "bytes_read")
    terse = {"format": "filter", "wrap": {"format": "json"}, "fields": {key: {"filter": "delete"} for key in unsaid}}
    return {
        "logs": {
            "default": {
                "writer": _log_file(str(places.logs / "caddy.log")),
                "level": "WARN",
                "exclude": ["http.log.access", "http.log.error", "admin"],
            },
            "access": {
                "writer": _log_file(str(places.access_log)),
                "encoder": terse,
                "include": [f"http.log.access.{SERVER}"],
            },
        }
    }


def _log_file(path: str) -> Json:
    return {"output": "file", "filename": path, "mode": "0600", "roll_size_mb": 20, "roll_keep": 2, "roll_gzip": False}
