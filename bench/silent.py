"""What 300 silent databases of one account cost another account (docs/security.md, "Remote servers and requests").

    .venv-test/bin/python bench/silent.py [COUNT]

The databases are adopted ones whose servers accept connections and never answer. One account asks for all of them at once, again
and again: `pg:info`, `check`, `pg:wait`. Meanwhile another account lists its apps, looks at its database, and makes new ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.measured import control_plane, home  # noqa: E402 – after the path is set

from changeover.service.places import Places  # noqa: E402

COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 300
LOOKS, CREATIONS = 20, 3
PLAN = "heroku-postgresql:essential-0"
ADOPT = """
WITH added AS (
    INSERT INTO addons (name, app_id, service, plan, state)
    SELECT 'silent-' || n, (SELECT id FROM apps WHERE name = %(app)s), 'heroku-postgresql', 'external', 'provisioned'
      FROM generate_series(1, %(count)s) n RETURNING id, name
), placed AS (
    INSERT INTO servers (name, engine, address, port, size, is_shared, system_identifier)
    SELECT name, 'external', '127.0.0.1', %(port)s, '{}', false, name FROM added RETURNING name
), known AS (
    INSERT INTO databases (addon_id, server_name, database_name) SELECT id, name, name FROM added RETURNING addon_id
)
INSERT INTO credentials (addon_id, name, user_name, password, state)
SELECT id, 'default', 'me', (SELECT password FROM credentials LIMIT 1), 'active' FROM added
"""


def main() -> None:
    with home() as data, control_plane(data), socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        threading.Thread(target=accept_for_ever, args=[listener], daemon=True).start()
        url = Places(data).endpoint.read_text()
        asyncio.run(measure(data, httpx2.URL(url.split('"url": "')[1].split('"')[0]), listener.getsockname()[1]))


def accept_for_ever(listener: socket.socket) -> None:
    held = []
    while True:
        try:
            held.append(listener.accept()[0])
        except OSError:
            return


async def measure(data: Path, url: httpx2.URL, port: int) -> None:
    operator = (data / "operator-token").read_text().strip()
    async with client_of(url, operator) as api:
        quiet, noisy = [await token_for(api, f"{who}@bench.example") for who in ("quiet", "noisy")]
    async with client_of(url, quiet) as api, client_of(url, noisy) as other:
        app, noisy_app = [(await one.post("/apps", json={})).json()["name"] for one in (api, other)]
        database = await create(api, app)
        adopt(data, noisy_app, port)
        before = await figures(api, app, database)
        load = [asyncio.ensure_future(ask_for_ever(other, number)) for number in range(1, COUNT + 1)]
        await asyncio.sleep(5)
        beside = await figures(api, app, database)
        for one in load:
            one.cancel()
        await asyncio.gather(*load, return_exceptions=True)
    for what, alone_s in before.items():
        print(
            f"{what:15} {alone_s * 1000:8.0f} ms alone {beside[what] * 1000:8.0f} ms beside {COUNT} silent databases",
            end="",
        )
        print(f"   {beside[what] / alone_s:.2f} times")


def client_of(url: httpx2.URL, token: str) -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=COUNT)
    return httpx2.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=120, limits=limits)


async def token_for(api: httpx2.AsyncClient, email: str) -> str:
    made = await api.post("/oauth/authorizations", json={"user": email})
    token: str = made.json()["access_token"]["token"]
    return token


def adopt(data: Path, app: str, port: int) -> None:
    """By hand, in our state: a silent server could not be adopted, which asks it once."""
    with psycopg.connect(
        host=str(Places(data).state_sockets),
        user="changeover",
        dbname="changeover",
        options="-c search_path=state,public",
    ) as state:
        state.execute(ADOPT, {"app": app, "count": COUNT, "port": port})


async def figures(api: httpx2.AsyncClient, app: str, database: str) -> dict[str, float]:
    return {
        "apps": await median_s(LOOKS, lambda: api.get("/apps")),
        "pg:info": await median_s(LOOKS, lambda: api.get(f"/client/v11/databases/{database}")),
        "addons:create": await median_s(CREATIONS, lambda: create(api, app)),
    }


async def median_s(count: int, act: Callable[[], Awaitable[object]]) -> float:
    took = []
    for _ in range(count):
        began = time.monotonic()
        await act()
        took.append(time.monotonic() - began)
    return statistics.median(took)


async def create(api: httpx2.AsyncClient, app: str) -> str:
    """Until it is provisioned."""
    made = await api.post(f"/apps/{app}/addons", json={"plan": PLAN})
    name: str = made.json()["name"]
    while (await api.get(f"/addons/{name}")).json()["state"] != "provisioned":  # noqa: ASYNC110 - another process makes it
        await asyncio.sleep(0.1)
    return name


async def ask_for_ever(api: httpx2.AsyncClient, number: int) -> None:
    """As a client would: it waits a little when it is refused, and tries again when its connection was closed."""
    info, body = f"/client/v11/databases/silent-{number}", {"source": f"silent-{number}", "sample_s": 0}
    while True:
        for method, path in (("GET", info), ("GET", f"{info}/wait_status"), ("POST", "/changeover/v1/checks")):
            with contextlib.suppress(httpx2.TransportError):
                answer = await api.request(method, path, json=body if method == "POST" else None)
                if answer.status_code == 429:
                    await asyncio.sleep(2)


if __name__ == "__main__":
    main()
