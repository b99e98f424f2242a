"""Deploying a folder: what is packed and what is refused, what is sent, and how the release ends."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane, Reply, Turns

from changeover.cli.packing import members, pack
from changeover.errors import Misused

DEPLOYS = "POST /changeover/v1/apps/shop/deploys"
RELEASE = "GET /apps/shop/releases/13"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small app."""
    folder = tmp_path / "app"
    for name in ("Procfile", "app.py", "bin/start", ".git/config", "lib/.git", "doc/a.psd", "doc/deep/b.psd", "tmp/x"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("web: python app.py\n")
    (folder / "bin/start").chmod(0o700)
    (folder / "start").symlink_to("bin/start")
    return folder


@pytest.fixture
def accepts(plane: Plane) -> Plane:
    """The server makes v13 of what it is sent; its release phase prints something and succeeds."""
    release = {"version": 13, "status": "pending", "output_stream_url": None}
    running = {**release, "output_stream_url": f"{plane.url}/output/13"}
    answer = {"release": release, "process_types": {"web": "python app.py"}, "bytes": 500, "run": 7}
    plane.answers[DEPLOYS] = Reply(answer, 201)
    plane.answers["GET /output/13"] = Reply(b"migrating\n")
    plane.answers["GET /changeover/v1/runs/7"] = {"id": 7, "status": "done", "finished_at": "2026-01-01T00:00:00Z"}
    plane.answers[RELEASE] = Turns([running, {**running, "status": "succeeded"}])
    return plane


def unpacked(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        return {member.name: member for member in archive.getmembers()}


def test_a_folder_is_packed_without_git_and_without_owners(folder: Path) -> None:
    to = io.BytesIO()
    packed = pack(folder, to)
    found = unpacked(to.getvalue())

    assert packed.size_bytes == len(to.getvalue())
    assert packed.files == len([member for member in found.values() if not member.isdir()]) == 7
    assert not [name for name in found if ".git" in name]
    assert {(member.uid, member.uname) for member in found.values()} == {(0, "")}
    assert (found["bin/start"].mode, found["app.py"].mode, found["start"].linkname) == (0o755, 0o644, "bin/start")


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        ("*.psd", {"doc/a.psd", "doc/deep/b.psd"}),
        ("/doc/*.psd", {"doc/a.psd", "doc/deep/b.psd"}),
        ("/doc/a.*\n# app.py\n\n", {"doc/a.psd"}),
        ("tmp/", {"tmp", "tmp/x"}),
        ("app.py/", set()),
        ("doc/deep", {"doc/deep", "doc/deep/b.psd"}),
    ],
)
def test_what_slugignore_names_stays_behind(folder: Path, pattern: str, gone: set[str]) -> None:
    before = {str(path) for path in members(folder)}
    (folder / ".slugignore").write_text(pattern)

    assert before - {str(path) for path in members(folder)} == gone


def test_slugignore_takes_nothing_back_in(folder: Path) -> None:
    (folder / ".slugignore").write_text("!app.py")
    with pytest.raises(Misused, match="is not supported"):
        list(members(folder))


@pytest.mark.parametrize("target", ["/etc/passwd", "../../outside", "../lib/../../../x"])
def test_a_link_that_leaves_the_folder_is_refused(folder: Path, target: str) -> None:
    (folder / "doc/link").symlink_to(target)
    with pytest.raises(Misused, match="The link doc/link leads outside"):
        list(members(folder))


def test_sockets_and_pipes_stay_behind(folder: Path) -> None:
    os.mkfifo(folder / "pipe")

    assert "pipe" not in {str(path) for path in members(folder)}


def test_a_deploy_says_what_it_sent_and_shows_the_release_phase(typed: Keyboard, accepts: Plane, folder: Path) -> None:
    ended = typed("deploy", str(folder), "-a", "shop")
    [sent] = accepts.sent(DEPLOYS)

    assert ended.exit_code == 0
    assert ended.stderr == (
        f"Deploying {folder} to shop... done, 7 files, {len(sent)} bytes packed\nStarting dynos of shop... done\n"
    )
    assert ended.stdout == "web: python app.py\nReleased v13\nRunning release command...\nmigrating\n"
    assert "Procfile" in unpacked(sent)


def test_a_release_phase_that_says_nothing_yet_is_announced_once(typed: Keyboard, accepts: Plane, folder: Path) -> None:
    release = {"version": 13, "status": "pending", "output_stream_url": f"{accepts.url}/output/13"}
    accepts.answers[RELEASE] = Turns([release, release, {**release, "status": "succeeded"}])
    accepts.answers["GET /output/13"] = Turns([Reply({"id": "not_found"}, 404), Reply(b"migrating\n")])
    ended = typed("deploy", str(folder), "-a", "shop")

    assert ended.stdout == "web: python app.py\nReleased v13\nRunning release command...\nmigrating\n"


def test_a_description_travels_along_and_json_is_one_object(typed: Keyboard, accepts: Plane, folder: Path) -> None:
    accepts.answers[f"{DEPLOYS}?description=a%20%26%20b"] = accepts.answers.pop(DEPLOYS)
    ended = typed("deploy", str(folder), "-a", "shop", "-m", "a & b", "--json")

    shown: dict[str, Any] = json.loads(ended.stdout)
    assert (shown["release"]["status"], shown["files"], shown["run"]) == ("succeeded", 7, 7)


def test_a_failed_release_phase_names_the_release_that_runs_on(typed: Keyboard, accepts: Plane, folder: Path) -> None:
    accepts.answers[RELEASE] = {"version": 13, "status": "failed", "output_stream_url": None}
    ended = typed("deploy", str(folder), "-a", "shop")

    assert ended.exit_code == 1
    assert "Release v13 of shop failed." in ended.stderr
    assert "v12 continues to run." in ended.stderr
    assert "changeover releases:output v13 --app shop" in ended.stderr


@pytest.mark.parametrize("hidden", [False, True])
def test_a_folder_without_a_procfile_is_refused_before_anything_is_sent(
    typed: Keyboard, plane: Plane, folder: Path, hidden: bool
) -> None:
    if hidden:
        (folder / ".slugignore").write_text("Procfile")
    else:
        (folder / "Procfile").unlink()
    ended = typed("deploy", str(folder), "-a", "shop")

    assert (ended.exit_code, plane.asked) == (2, [])
    assert "has no Procfile." in ended.stderr
    assert "one line for each process type" in ended.stderr


def test_an_app_that_is_not_there_is_found_out_before_anything_is_packed(
    typed: Keyboard, plane: Plane, folder: Path
) -> None:
    ended = typed("deploy", str(folder), "-a", "nobody")

    assert (ended.exit_code, "Couldn't find that app." in ended.stderr) == (1, True)
    assert "POST" not in {asked.method for asked in plane.asked}


def test_what_the_server_refuses_is_said(typed: Keyboard, accepts: Plane, folder: Path) -> None:
    what = "Line 1 of the Procfile can't be read."
    accepts.answers[DEPLOYS] = Reply({"id": "bad_procfile", "message": what, "what": what}, 422)
    ended = typed("deploy", str(folder), "-a", "shop")

    assert (ended.exit_code, what in ended.stderr, ended.stdout) == (1, True, "")
