"""What a deploy may send: over HTTP, against a running control plane."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator

import httpx2
import pytest
from tests.api.test_processes import packed
from tests.fix_control_plane import ControlPlane
from tests.fix_things import Things


def releases(api: httpx2.Client, app: str) -> list[int]:
    return [one["version"] for one in api.get(f"/apps/{app}/releases").json()]


def left_behind(control_plane: ControlPlane, api: httpx2.Client, app: str) -> list[str]:
    folder = control_plane.home / "apps" / api.get(f"/apps/{app}").json()["id"]
    return [str(path) for path in folder.glob("slugs/*")]


def digest(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def bomb() -> bytes:
    """800 MB of zeros."""
    raw = io.BytesIO()
    entry = tarfile.TarInfo("zeros")
    entry.size = 800_000_000
    with gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=1) as stream:
        stream.write(entry.tobuf())
        for _ in range(100):
            stream.write(bytes(8_000_000))
        stream.write(bytes(1024))
    return raw.getvalue()


@pytest.mark.parametrize("what", ["flipped", "cut", "bomb"])
def test_a_damaged_or_oversized_archive_is_not_released(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, what: str
) -> None:
    app, good = things.app(), packed()
    bad = {"flipped": good[:60] + bytes([good[60] ^ 1]) + good[61:], "cut": good[:-4], "bomb": bomb()}[what]

    answer = api.post(f"/changeover/v1/apps/{app}/deploys", content=bad)

    assert (answer.status_code, answer.json()["id"]) == (
        (413, "archive_too_large") if what == "bomb" else (422, "bad_archive")
    )
    assert releases(api, app) == [1]
    assert left_behind(control_plane, api, app) == []


def test_a_digest_that_differs_is_refused(control_plane: ControlPlane, api: httpx2.Client, things: Things) -> None:
    app, good = things.app(), packed("clock: sleep 1000\n")
    send = f"/changeover/v1/apps/{app}/deploys"

    other = api.post(send, content=good, headers={"Content-Digest": digest(good + b"x")})
    unreadable = api.post(send, content=good, headers={"Content-Digest": "sha-256=:x:"})
    right = api.post(send, content=good, headers={"Content-Digest": f"sha-512=:abcd:, {digest(good)}"})

    assert other.json()["id"] == "bad_archive"
    assert unreadable.json()["id"] == "bad_request"
    assert right.status_code == 201
    assert len(left_behind(control_plane, api, app)) == 1


def test_the_caller_is_authenticated_before_the_body_is_read(control_plane: ControlPlane, things: Things) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 100_000
            yield bytes(100_000)

    with httpx2.Client(base_url=control_plane.url, headers={"Authorization": "Bearer wrong"}) as stranger:
        try:
            answer = stranger.post(f"/changeover/v1/apps/{things.app()}/deploys", content=chunks())
        except (httpx2.WriteError, httpx2.RemoteProtocolError, httpx2.ReadError):
            assert sent < 50_000_000
        else:
            assert answer.status_code == 401
