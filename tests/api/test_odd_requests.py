"""Thousands of odd requests over the served OpenAPI: none of them meets a bug, hangs, or costs memory."""

from __future__ import annotations

import asyncio
import io
import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.api.odd_requests import OddRequest, RequestSource
from tests.fix_control_plane import ControlPlane, running_plane
from tests.fix_things import ESSENTIAL, Things

from changeover.api.app import ROUTERS
from changeover.api.described import BODIES, routes_with_a_body

BESIDE = 12
LONGEST_S = 90
MEGABYTE = 1024 * 1024
SPARED = (
    "DELETE /apps/{key}", "POST /changeover/v1/apps/{app}/deploys", "POST /oauth/authorizations/{id_}/actions/regenerate-tokens",
    "DELETE /oauth/authorizations/{id_}", "POST /account/app-transfers", "GET /changeover/v1/logs/{key}",
)  # fmt: skip
EXPECTED_5XX = {"host_full", "server_unreachable", "pooling_unavailable", "tool_missing", "no_installation"}
"""Failures of this host or of another server, which we report with a reason. Never our own."""


@dataclass
class OddGround:
    plane: ControlPlane
    document: dict[str, Any]
    known: dict[str, list[str]]


@pytest.fixture(scope="module")
def odd_ground() -> Iterator[OddGround]:
    for plane in running_plane(CHANGEOVER_MAX_DATABASES="2"):
        with plane.client() as api:
            things = Things(plane, api)
            app, other, space = things.app(), things.app(), things.space()
            database = things.database(app, ESSENTIAL)
            api.post(f"/changeover/v1/apps/{other}/deploys", content=slug())
            job = api.post(
                f"/changeover/v1/apps/{other}/scheduler/jobs", json={"command": "true", "every": "daily"}
            ).json()
            known = {
                "app": [app, other], "key": [app, space, database["name"], database["id"], "DATABASE"], "space": [space],
                "addon": [database["name"], "DATABASE"], "source": [database["name"], "DATABASE_URL"], "database": ["DATABASE"],
                "plan": [ESSENTIAL, "standard-0"], "release": ["1", "v1"], "user": ["operator@changeover.local", "d@example.org"],
                "recipient": ["dev@example.org"], "number": ["1"], "run_id": ["1"], "id_": ["~"], "name": ["web.1", "default"],
                "type_": ["web"], "type": ["web", "run"], "target": ["DATABASE_URL"], "to": ["standard-0"],
                "job": [str(job.get("id"))],
                "command": ["true"], "every": ["daily", "hourly"], "hour": ["3"], "sample_s": ["0"], "confirm": [app],
            }  # fmt: skip
            yield OddGround(plane, api.get("/changeover/v1/openapi.json").json(), known)


def slug() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        content = b"worker: sleep 60\n"
        entry = tarfile.TarInfo("Procfile")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def test_the_fields_of_every_body_are_described() -> None:
    assert set(BODIES) == set(routes_with_a_body(module.router for module in ROUTERS))


async def test_an_odd_request_never_meets_a_bug(odd_ground: OddGround) -> None:
    await survives(odd_ground, seed=9, count=400)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_ten_thousand_odd_requests_never_meet_a_bug(odd_ground: OddGround) -> None:
    process = odd_ground.plane.child("control-plane")
    before = process.memory_info().rss

    await survives(odd_ground, seed=int(os.environ.get("ODD_SEED", "21")), count=10_000)

    assert process.is_running()
    assert process.memory_info().rss - before < 50 * MEGABYTE


async def survives(ground: OddGround, *, seed: int, count: int) -> None:
    source = RequestSource(ground.document, seed, ground.known, SPARED)
    waiting, faults = source.draw(count), []
    headers = {"Authorization": f"Bearer {ground.plane.token}"}
    async with httpx2.AsyncClient(base_url=ground.plane.url, headers=headers, timeout=LONGEST_S) as client:

        async def send_them() -> None:
            for request in waiting:
                fault = await fault_of(client, request)
                if fault:
                    faults.append(f"{request}: {fault}")

        await asyncio.gather(*(send_them() for _ in range(BESIDE)))
        assert faults == []
        assert (await client.get("/account")).status_code == 200
    said = ground.plane.logs()
    assert "Traceback" not in said, said
    assert "the state refused a value" not in said


async def fault_of(client: httpx2.AsyncClient, request: OddRequest) -> str | None:
    """What is wrong with the answer; None when nothing is."""
    url = httpx2.URL(str(client.base_url)).copy_with(raw_path=request.target)
    try:
        answer = await client.request(request.method, url, headers=request.headers, content=request.body)
    except httpx2.HTTPError as error:
        return repr(error)
    if answer.status_code < 400:
        return None
    try:
        body = json.loads(answer.content)
    except ValueError:
        return f"{answer.status_code}, and not JSON: {answer.text[:200]}"
    if not {"id", "what", "why", "fix", "retryable"} <= body.keys():
        return f"{answer.status_code}, and not our shape: {body}"
    return None if answer.status_code < 500 or body["id"] in EXPECTED_5XX else f"{answer.status_code}: {body}"
