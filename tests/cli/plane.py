"""A small real HTTP server that answers as a control plane would: what is sent to it is on record.

Only for what happens inside the CLI; what the two do together is tested against the real control plane.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "token-of-the-tests"
CREATED = "2026-01-01T00:00:00Z"
PLAN = {
    "id": "p1",
    "name": "heroku-postgresql:private-4",
    "price": {"cents": 150000, "unit": "month", "contract": False},
}
SHOP = {"id": "a1", "name": "shop"}
ADDON = {
    "id": "d1",
    "name": "postgresql-curved-1",
    "app": SHOP,
    "addon_service": {"id": "s1", "name": "heroku-postgresql"},
    "plan": PLAN,
    "state": "provisioned",
    "config_vars": ["DATABASE_URL"],
    "billed_price": None,
    "created_at": CREATED,
}
URL = "postgres://u:p%40ss@127.0.0.2:20001/db"


def attachment(name: str, **changed: Any) -> dict[str, Any]:
    base = {
        "id": f"t-{name}",
        "name": name,
        "namespace": None,
        "app": SHOP,
        "addon": ADDON,
        "config_vars": [f"{name}_URL"],
    }
    return {**base, **changed}


@dataclass
class Asked:
    method: str
    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class Reply:
    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drops: bool = False
    """Hang up without an answer."""
    stays: bool = False
    """A stream that goes on: the connection stays open until the client ends it."""

    def encoded(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


@dataclass
class Plane:
    """`answers["GET /apps/shop"]` is a body, a Reply, or a list of those to be given one after the other."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def reply_to(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        answer = self.answers.get(f"{asked.method} {asked.path}")
        if isinstance(answer, Turns):
            answer = answer.left.pop(0) if len(answer.left) > 1 else answer.left[0]
        if answer is None:
            what, fix = "Couldn't find that app.", "`changeover apps` lists yours."
            return Reply({"id": "not_found", "message": f"{what}\n{fix}", "what": what, "fix": fix}, 404)
        return answer if isinstance(answer, Reply) else Reply(answer)

    def sent(self, request: str) -> list[Any]:
        """The bodies of all requests `POST /path`."""
        return [asked.body for asked in self.asked if f"{asked.method} {asked.path}" == request]


@dataclass
class Turns:
    """Answers for one request after the other; the last one stays."""

    left: list[Any]


@contextmanager
def running_plane(context: ssl.SSLContext | None = None) -> Iterator[Plane]:
    """On a free port; over TLS with a `context`."""
    plane = Plane()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def content(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size + 2)[:-2])
            self.rfile.readline()
            return b"".join(chunks)

        def answer(self) -> None:
            content = self.content()
            headers = {name.lower(): value for name, value in self.headers.items()}
            is_json = headers.get("content-type") == "application/json"
            body = json.loads(content) if is_json else content or None
            reply = plane.reply_to(Asked(self.command, self.path, body, headers))
            if reply.drops:
                self.close_connection = True
                return
            answer = reply.encoded()
            self.send_response(reply.status)
            length = {} if reply.stays else {"Content-Length": len(answer)}
            for name, value in {"Content-Type": "application/json", **length, **reply.headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(answer)
            if reply.stays:
                self.connection.recv(1)
                self.close_connection = True

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        plane.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield plane
        server.shutdown()
        thread.join()


def shop() -> dict[str, Any]:
    """The answers of a control plane with one app that has one database."""
    app = {
        **SHOP,
        "acm": False,
        "build_stack": {"name": "heroku-24"},
        "stack": {"name": "heroku-24"},
        "git_url": "http://git.localhost/shop.git",
        "web_url": "http://shop.localhost:8080/",
        "owner": {"id": "o1", "email": "me@example.com"},
        "region": {"name": "eu"},
        "space": None,
        "team": None,
    }
    database = {
        "addon_id": "d1",
        "name": "postgresql-curved-1",
        "resource_url": URL,
        "following": None,
        "leader": None,
        "info": [
            {"name": "Plan", "values": ["Private 4"]},
            {"name": "Status", "values": ["Available"]},
            {"name": "HA Status", "values": []},
            {"name": "Followers", "values": ["postgres://127.0.0.3:20002/db"], "resolve_db_name": True},
        ],
    }
    release = {
        "id": "r12",
        "version": 12,
        "description": "Set A config vars",
        "status": "succeeded",
        "current": True,
        "user": {"email": "me@example.com"},
        "created_at": CREATED,
        "addon_plan_names": [],
        "eligible_for_rollback": True,
    }
    return {
        "GET /account": {"email": "me@example.com"},
        "GET /users/~/apps": [app],
        "GET /apps/shop": app,
        "GET /apps/shop/addons": [ADDON],
        "GET /apps/shop/addon-attachments": [attachment("DATABASE")],
        "GET /addon-attachments": [attachment("DATABASE")],
        "GET /apps/shop/config-vars": {"DATABASE_URL": URL, "GREETING": "it's us"},
        "GET /apps/shop/formation": [],
        "GET /apps/shop/releases": [release],
        "GET /addons/postgresql-curved-1": ADDON,
        "GET /addons/d1/addon-attachments": [attachment("DATABASE")],
        "GET /client/v11/databases/d1": database,
        "GET /client/v11/databases/d1/wait_status": {"waiting?": False, "message": "available"},
        "POST /actions/addon-attachments/resolve": [attachment("DATABASE")],
        "POST /actions/addons/resolve": [ADDON],
        "POST /apps/shop/addons": Reply({**ADDON, "state": "provisioning", "provision_message": "Made soon."}, 201),
        "DELETE /apps/a1/addons/d1": {**ADDON, "state": "deprovisioned"},
    }
