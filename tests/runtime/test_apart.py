"""Dynos of one app can neither read nor disturb those of another: as root, by a user for each app."""

from __future__ import annotations

import asyncio
import os
import pwd
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.runtime.fix_dynos import Home, free_port, until

from changeover.runtime.dynos.app_users import FIRST_UID, HOMES, PER_HOME, AppUsers
from changeover.runtime.dynos.listening import listens
from changeover.runtime.runtime import Dyno, OneOff

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SECRET = "postgres://u:s3cret@127.0.0.1/db"


def code_of(home: Home, app: str) -> Path:
    """A folder where the platform puts an app's code."""
    folder = home.places.of_app(app) / "slugs" / "1"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "code.txt").write_text("its code")
    return folder


async def once(home: Home, app: str, command: str, **environment: str) -> OneOff:
    """A one-off of that app that has ended."""
    name = f"run.{len(home.dynos.one_offs()) + 1000}"
    await home.dynos.run_once(Dyno(app, name, "run", command, code_of(home, app), environment, 1))

    async def has_ended() -> bool:
        found = home.dynos.one_off(app, name)
        return found is not None and found.state == "finished"

    await until(has_ended)
    found = home.dynos.one_off(app, name)
    assert found is not None
    return found


def output(home: Home, app: str) -> str:
    return "\n".join(line.text for line in home.dynos.logs.last(app, 100, source="app"))


@pytest.fixture
async def victim(home: Home) -> AsyncIterator[Dyno]:
    """A web dyno with a secret in its environment, its /tmp and its home."""
    command = "umask 0; echo $SECRET > /tmp/note; echo $SECRET > $HOME/note; chmod 777 $HOME; exec sleep 600"
    dyno = Dyno("victim", "worker.1", "worker", command, code_of(home, "victim"), {"SECRET": SECRET}, 1)
    await home.dynos.apply("victim", [dyno])

    async def has_written() -> bool:
        return any(home.places.of_app("victim").glob("dynos/*/home/note"))

    await until(has_written)
    yield dyno
    await home.dynos.apply("victim", [])


async def pid_of(home: Home, app: str) -> int:
    """Of its one dyno, once its command has begun."""

    async def has_begun() -> bool:
        return (await home.dynos.states(app))[0].pid is not None

    await until(has_begun)
    return (await home.dynos.states(app))[0].pid or 0


def attacks(home: Home, pid: int) -> list[str]:
    """Commands that end with 0 when they get at something."""
    [written] = home.places.of_app("victim").glob("dynos/*")
    paths = [
        f"/proc/{pid}/environ", f"/proc/{pid}/root/tmp/note", f"/proc/{pid}/cwd/code.txt", f"/proc/{pid}/maps",
        f"{code_of(home, 'victim')}/code.txt", f"{written}/home/note", *(str(path / "note") for path in written.glob("tmp-*")),
        "/tmp/note", f"{home.places.app_logs}/victim", *(str(path) for path in home.places.sheet("").parent.iterdir()),
        str(home.places.configuration), *(str(path) for path in home.places.pipes.iterdir()),
    ]  # fmt: skip
    writes = [str(code_of(home, "attacker") / "new"), str(written / "new"), str(home.home / "new"), "/etc/new"]
    return [
        *(f"timeout 2 cat {path}" for path in paths),
        *(f"touch {path}" for path in writes),
        f"kill -0 {pid}", f"kill -9 {pid}", f"ls {home.places.of_app('victim')}", f"ls {home.home}/apps", f"ls /proc/{pid}",
        f"python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{home.places.socket}\")'",
        "su -c true nobody", "[ $(ulimit -c) != 0 ]", "grep -q 'NoNewPrivs:.0' /proc/self/status",
        "[ $(id -G | wc -w) != 1 ]", "[ $(ls /proc/self/fd | wc -l) -gt 4 ]",
    ]  # fmt: skip


@needs_root
async def test_no_attack_on_another_apps_dyno_succeeds(home: Home, victim: Dyno) -> None:
    pid = await pid_of(home, "victim")
    tries = "\n".join(
        f"( {one} ) >/dev/null 2>&1 && echo 'got in: '{number}" for number, one in enumerate(attacks(home, pid))
    )

    uid = str(home.places.users.of("victim"))
    same_user = ["setpriv", "--reuid", uid, "--regid", uid, "--clear-groups", "sh", "-c"]
    its_own = [*same_user, f"cat /proc/{pid}/environ >/dev/null && kill -0 {pid}"]
    assert (await asyncio.to_thread(subprocess.run, its_own, check=False)).returncode == 0
    await once(home, "attacker", f"{tries}\necho tried")

    found = output(home, "attacker")
    assert "tried" in found
    assert [attacks(home, pid)[int(line.rpartition(" ")[2])] for line in found.splitlines() if "got in" in line] == []
    assert (await home.dynos.states("victim"))[0].pid == pid


@needs_root
async def test_every_kind_of_dyno_runs_as_the_apps_user(home: Home) -> None:
    uid = home.places.users.of("victim")
    worker = Dyno("victim", "worker.1", "worker", "id -u; exec sleep 600", code_of(home, "victim"), {}, 1)
    await home.dynos.apply("victim", [worker])
    await once(home, "victim", "id -u")
    attached = replace(worker, name="run.7", type="run", command="id -u; id -un")
    async with home.dynos.attached(attached, tty=True) as session:
        said = b""
        while block := await session.read():
            said += block

    assert isinstance(uid, int)
    assert said.split() == [str(uid).encode(), b"dyno"]

    async def both_said() -> bool:
        return output(home, "victim").count(f": {uid}") == 2

    await until(both_said)
    assert home.places.users.of("attacker") != uid


async def test_a_dyno_can_write_its_home_and_its_tmp_and_both_are_gone_with_it(home: Home) -> None:
    ended = await once(
        home, "mine", 'echo a > $HOME/f && echo b > "${TMPDIR:-/tmp}/f" && mkdir -p $HOME/$(printf "d/%.0s" {1..900})'
    )
    key = f"mine.{ended.name}.once"
    assert ended.exit_code == 0
    assert (home.places.written(key) / "home/f").read_text() == "a\n"

    home.dynos.forget_one_off("mine", ended.name)

    async def is_gone() -> bool:
        return list(home.places.of_app("mine").glob("dynos/*")) == []

    assert not home.places.written(key).exists()
    await until(is_gone)


async def test_no_environment_of_a_one_off_is_left_on_the_disk(home: Home) -> None:
    ended = await once(home, "mine", "echo said $SECRET", SECRET=SECRET)

    assert ended.command == "echo said $SECRET"
    left = [path for path in home.home.rglob("*") if path.is_file() and SECRET in path.read_text(errors="replace")]
    assert [path for path in left if home.places.app_logs not in path.parents] == []


async def test_environments_that_a_former_version_kept_are_removed(home: Home) -> None:
    ended = await once(home, "mine", "true")
    sheet = home.places.sheet(f"mine.{ended.name}.once")
    sheet.write_text(sheet.read_text().replace("{", f'{{"environment": {{"A": "{SECRET}"}}, ', 1))
    known = home.dynos.one_off("mine", ended.name)

    await home.dynos.start()

    assert SECRET not in sheet.read_text()
    assert home.dynos.one_off("mine", ended.name) == known


@needs_root
async def test_a_port_counts_only_where_the_app_itself_listens(home: Home) -> None:
    """Another app that is first at the port does not get the requests of this one."""
    port = free_port()
    serve = f"exec python3 -m http.server --bind 127.0.0.1 {port}"
    await home.dynos.apply(
        "attacker", [Dyno("attacker", "worker.1", "worker", serve, code_of(home, "attacker"), {}, 1)]
    )
    thief = await pid_of(home, "attacker")

    async def is_there() -> bool:
        return listens(thief, port)

    await until(is_there)
    web = Dyno("victim", "web.1", "web", "exec sleep 600", code_of(home, "victim"), {}, 1, port=port)

    assert (await home.dynos.apply("victim", [web], ready_timeout_s=0.5)).not_ready == ("web.1",)


@needs_root
async def test_a_former_version_can_still_start_and_keep_its_dynos(home: Home) -> None:
    """Its launcher knows the shared user only, which may pass through to the code, and nobody else may."""
    dyno = Dyno("victim", "worker.1", "worker", "cat code.txt; echo; exec sleep 600", code_of(home, "victim"), {}, 1)
    await home.dynos.apply("victim", [dyno])
    sheet = next(iter(home.places.sheet("").parent.glob("victim.worker.1.*.json")))
    text = sheet.read_text()
    sheet.write_text(text.replace('"uid"', '"was"'))
    await until(lambda: times(home, "its code", 1))
    old = await pid_of(home, "victim")

    os.kill(old, signal.SIGKILL)

    async def is_former() -> bool:
        pid = (await home.dynos.states("victim"))[0].pid
        return pid not in (None, old) and Path(f"/proc/{pid}").stat().st_uid == pwd.getpwnam("changeover-app").pw_uid

    await until(is_former)
    await until(lambda: times(home, "its code", 2))
    read = ["setpriv", "--reuid", "65534", "--clear-groups", "cat", str(code_of(home, "victim") / "code.txt")]
    assert (await asyncio.to_thread(subprocess.run, read, capture_output=True, check=False)).returncode != 0


async def times(home: Home, text: str, count: int) -> bool:
    return output(home, "victim").count(text) == count


async def test_what_is_kept_of_an_app_is_forgotten_with_it(home: Home) -> None:
    await once(home, "mine", "true", SECRET=SECRET)

    await home.dynos.forget("mine")

    assert not home.places.of_app("mine").exists()
    assert [path for path in home.places.folder.rglob("*mine*") if path.suffix != ".lock"] == []


def test_numbers_are_an_apps_own_and_used_again_as_late_as_possible(tmp_path: Path) -> None:
    users = AppUsers(tmp_path / "users", "ffffffff00000000", "root")
    if not isinstance(users.of("a"), int):
        pytest.skip("the kernel maps no such numbers here")
    first, second = users.of("a"), users.of("b")
    users.forget("a")

    assert users.of("b") == second
    assert users.of("c") not in (first, second)
    assert isinstance(first, int)
    assert FIRST_UID <= first < FIRST_UID + PER_HOME * HOMES


def test_without_root_there_are_no_users(tmp_path: Path) -> None:
    assert AppUsers(tmp_path, "00" * 8, None).of("a") is None
