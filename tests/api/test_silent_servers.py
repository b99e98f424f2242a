"""Servers that never answer, of one account: everybody else is answered meanwhile. Decided by order, never by a clock."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane, suspended, wait_until
from tests.fix_things import ESSENTIAL, Things

MANY = 40
"""More than the state's connections, and more than one account may wait for."""


@dataclass
class SilentServer:
    """Accepts connections and never says a word."""

    listener: socket.socket
    held: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"postgres://me:secret@127.0.0.1:{self.listener.getsockname()[1]}/orders?sslmode=disable"

    def held_now(self) -> int:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.held.append(self.listener.accept()[0])
        return len(self.held)


@pytest.fixture
def silent_server() -> Iterator[SilentServer]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        listener.setblocking(False)
        server = SilentServer(listener)
        yield server
        for one in server.held:
            one.close()


async def test_other_accounts_are_answered_while_one_waits_for_silent_servers(
    control_plane: ControlPlane, things: Things, silent_server: SilentServer
) -> None:
    app = things.app()
    database = things.database(app, ESSENTIAL)["name"]
    noisy = {"Authorization": f"Bearer {things.token_for('noisy@example.org')}"}
    with httpx2.Client(base_url=control_plane.url, headers=noisy) as client:
        noisy_app = client.post("/apps", json={}).json()["name"]
    async with httpx2.AsyncClient(base_url=control_plane.url, headers=noisy, timeout=120) as client:
        ways = ("/changeover/v1/checks", f"/changeover/v1/apps/{noisy_app}/adopted-databases")
        asked = [
            asyncio.ensure_future(client.post(ways[n % 2], json={"source": silent_server.url})) for n in range(MANY)
        ]
        await asyncio.to_thread(
            wait_until, lambda: silent_server.held_now() >= 8, what="8 questions to the silent server"
        )

        answers = await asyncio.to_thread(ask_all, control_plane, app, database)

        assert answers == [200] * 5
        assert not all(one.done() for one in asked)
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)


def ask_all(plane: ControlPlane, app: str, database: str) -> list[int]:
    paths = ("/healthz", "/apps", f"/apps/{app}", f"/client/v11/databases/{database}", "/account")
    with plane.client() as api:
        return [api.get(path).status_code for path in paths]


async def test_a_question_ends_when_its_client_has_gone(
    control_plane: ControlPlane, things: Things, silent_server: SilentServer
) -> None:
    async with httpx2.AsyncClient(base_url=control_plane.url, headers=dict(things.api.headers), timeout=120) as client:
        asked = asyncio.ensure_future(client.post("/changeover/v1/checks", json={"source": silent_server.url}))
        await asyncio.to_thread(wait_until, silent_server.held_now, what="the question")
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)

    asked_of = silent_server.held[0]
    asked_of.setblocking(True)
    asked_of.settimeout(8)
    assert await asyncio.to_thread(ends, asked_of)


def ends(connection: socket.socket) -> bool:
    """Whether the other side closes it, sooner than it gives up by itself (10 s)."""
    while connection.recv(4096):
        pass
    return True


async def test_other_accounts_are_answered_while_pages_of_one_are_fetched(
    control_plane: ControlPlane, things: Things, silent_server: SilentServer
) -> None:
    """A silent web server holds neither connections of our state nor the threads that everything else needs."""
    app = things.app()
    database = things.database(app, ESSENTIAL)["name"]
    noisy = {"Authorization": f"Bearer {things.token_for('pages@example.org')}"}
    page = f"http://127.0.0.1:{silent_server.listener.getsockname()[1]}/"
    async with httpx2.AsyncClient(base_url=control_plane.url, headers=noisy, timeout=120) as client:
        names = [(await client.post("/apps", json={})).json()["name"] for _ in range(MANY // 4)]
        for name in names:
            await client.patch(f"/apps/{name}/config-vars", json={"MAINTENANCE_PAGE_URL": page})
        asked = [asyncio.ensure_future(client.patch(f"/apps/{name}", json={"maintenance": True})) for name in names]
        await asyncio.to_thread(wait_until, lambda: silent_server.held_now() >= 8, what="8 pages to be asked for")

        answers = await asyncio.to_thread(ask_all, control_plane, app, database)

        assert answers == [200] * 5
        assert not any(one.done() for one in asked)
        assert {one.status_code for one in await asyncio.gather(*asked)} == {200}


def test_no_account_keeps_another_from_its_target(
    control_plane: ControlPlane, things: Things, silent_server: SilentServer
) -> None:
    target, other = (silent_server.url.replace("/orders", f"/{name}") for name in ("target", "other"))
    with (
        suspended(control_plane.child("worker")),  # no run ends by itself meanwhile
        control_plane.client(things.token_for("squatter@example.org")) as squatter,
        control_plane.client(things.token_for("owner@example.org")) as owner,
    ):
        for path in ("verifications", "migrations"):
            url, ends = f"/changeover/v1/{path}", {"source": silent_server.url, "target": target}
            taken, mine = squatter.post(url, json=ends), owner.post(url, json=ends)
            second = owner.post(url, json={"source": other, "target": target})

            assert (taken.status_code, mine.status_code) == (201, 201), mine.text
            assert mine.json()["id"] != taken.json()["id"]
            assert (second.status_code, second.json()["id"]) == (409, "run_conflict")
            assert second.json()["what"].endswith("for owner@example.org is busy.")
        again = owner.post("/changeover/v1/migrations", json={"source": silent_server.url, "target": target})
        assert again.json()["id"] == mine.json()["id"]
