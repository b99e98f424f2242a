"""Dynos as people have them: started, changed, crashed, stopped."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import tempfile
import time
from pathlib import Path

import pytest
from tests.runtime.fix_dynos import IGNORE_SIGTERM, SERVE, Home, free_port, greeting, until

from changeover.hosts.users import ensure_system_users

AWKWARD = {
    "PERCENT": "50% of %(x)s",
    "QUOTES": "'single' \"double\" `back` $HOME \\",
    "LINES": "one\ntwo;three # four\n",
    "UNICODE": "grün 🐘",
    "EMPTY": "",
}
SHOW = "import json, os, time; print(json.dumps(dict(os.environ)), flush=True); time.sleep(600)"


async def test_a_dyno_finds_its_config_vars_exactly_as_they_are_and_little_else(home: Home) -> None:
    port = free_port()
    show = home.script(SHOW)
    await home.dynos.apply(
        home.app, [home.dyno("web.1", show, environment=AWKWARD, port=port)], ready_timeout_s=0.5
    )  # fmt: skip
    await home.until_said("{")
    found = json.loads(next(line for line in home.said(source="app") if line.startswith("{")))

    assert {name: found[name] for name in AWKWARD} == AWKWARD
    assert (found["PORT"], found["DYNO"], found["HOME"]) == (
        str(port),
        "web.1",
        str(home.places.written(home.key_of("web.1")) / "home"),
    )
    others = (
        set(found)
        - set(AWKWARD)
        - {"PORT", "DYNO", "HOME", "PATH", "LANG", "CHANGEOVER_DYNO", "TMPDIR", "USER", "LOGNAME"}
    )
    assert others <= {"PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE"}


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("FOO='a  b' && echo \"$FOO\" 'it''s' 100%; sleep 600", "a  b its 100%"),
        ("umask; sleep 600", "0077"),
        ("pwd -P | tr a-z A-Z; sleep 600", None),
        ("yes | head -1; sleep 600", "y"),
        ("echo out > /dev/stdout; sleep 600", "out"),
        ("printf 'no newline'; kill -9 $$", "no newline"),
    ],
)
async def test_a_command_is_a_line_of_shell_as_its_author_wrote_it(
    home: Home, command: str, wanted: str | None
) -> None:
    await home.dynos.apply(home.app, [home.dyno("worker.1", command)])

    await home.until_said(wanted or str(home.directory.resolve()).upper())

    async def is_announced() -> bool:
        return any(command in line for line in home.said(source="heroku"))

    await until(is_announced)  # by another process than the one that writes what it says


async def test_scaling_up_and_down_leaves_the_others_alone(home: Home) -> None:
    dynos = [home.dyno(f"worker.{n}", "exec sleep 600") for n in (1, 2, 3)]
    await home.dynos.apply(home.app, dynos[:2])
    before = await home.pids()

    applied = await home.dynos.apply(home.app, dynos)
    assert (applied.kept, applied.started) == (("worker.1", "worker.2"), ("worker.3",))
    assert (await home.pids()).items() > before.items()
    await home.dynos.apply(home.app, dynos[:1])
    assert await home.pids() == {"worker.1": before["worker.1"]}


async def test_another_app_is_not_touched(home: Home) -> None:
    mine = home.dyno("worker.1", "exec sleep 600")
    theirs = dataclasses.replace(mine, app=f"{home.app}-2")
    await home.dynos.apply(theirs.app, [theirs])
    await until(lambda: has_begun(home, theirs.app))
    (before,) = await home.dynos.states(theirs.app)

    await home.dynos.apply(home.app, [mine])
    await home.dynos.apply(home.app, [])

    assert [state.pid for state in await home.dynos.states()] == [before.pid]


async def has_begun(home: Home, app: str) -> bool:
    return (await home.dynos.states(app))[0].pid is not None


@pytest.mark.parametrize(
    "change", [{"release": 2}, {"restarts": 1}, {"environment": {"A": "b"}}, {"command": "exec sleep 601"}]
)
async def test_a_changed_dyno_is_another_process(home: Home, change: dict[str, object]) -> None:
    dyno = home.dyno("worker.1", "exec sleep 600")
    await home.dynos.apply(home.app, [dyno])
    before = await home.pids()

    applied = await home.dynos.apply(home.app, [dataclasses.replace(dyno, **change)])  # type: ignore[arg-type]

    assert (applied.stopped, applied.started) == (("worker.1",), ("worker.1",))
    assert (await home.pids())["worker.1"] not in (None, before["worker.1"])


async def test_a_crash_at_boot_is_tried_again_with_growing_pauses(home: Home) -> None:
    applied = await home.dynos.apply(home.app, [home.dyno("web.1", "echo no; exit 3", port=free_port())])

    assert applied.not_ready == ("web.1",)
    await home.until_state("web.1", "crashed")
    assert (await home.state("web.1")).exit_code == 3
    began = time.monotonic()
    await until(lambda: times_said(home, "no", 3))
    assert time.monotonic() - began > 1
    assert "Process exited with status 3" in home.said(dyno="web.1", source="heroku")
    assert "State changed from starting to crashed" in home.said(dyno="web.1")


async def times_said(home: Home, text: str, count: int) -> bool:
    return home.said(source="app").count(text) >= count


async def test_a_later_crash_is_mended_at_once(home: Home) -> None:
    await home.dynos.apply(home.app, [home.dyno("worker.1", "exec sleep 600")])
    before = await home.until_state("worker.1", "up")
    assert before.pid

    os.kill(before.pid, signal.SIGSEGV)
    await until(lambda: has_another_pid(home, before.pid))
    await home.until_said("Process exited with status 139")


async def has_another_pid(home: Home, pid: int | None) -> bool:
    return (await home.state("worker.1")).pid not in (None, pid)


async def test_a_dyno_that_ignores_sigterm_is_killed_when_its_time_is_up(home: Home) -> None:
    await home.dynos.apply(home.app, [home.dyno("worker.1", home.script(IGNORE_SIGTERM))])
    await home.until_said("ready")

    began = time.monotonic()
    await home.dynos.apply(home.app, [])

    assert time.monotonic() - began >= 2
    await home.until_said("to down")
    assert "Stopping all processes with SIGTERM" in home.said()
    assert any("Error R12" in line for line in home.said())
    assert "Process exited with status 137" in home.said()


@pytest.mark.parametrize(
    "family",
    [
        "sleep 600 & sleep 601 & exec sleep 602",
        "setsid -f sleep 600; exec sleep 601",
        "(trap '' TERM; setsid -f sleep 600; sleep 601) & exec sleep 602",
        "setsid -f bash -c 'trap \"\" TERM; while true; do sleep 0.2; done'; exec sleep 600",
    ],
)
async def test_its_children_end_with_it_wherever_they_went(home: Home, family: str) -> None:
    await home.dynos.apply(home.app, [home.dyno("worker.1", f"echo up; {family}")])
    await home.until_said("up")
    await until(lambda: has_processes(home, 3))  # the log keeper has no mark

    await home.dynos.apply(home.app, [])

    assert home.processes() == []


async def has_processes(home: Home, count: int) -> bool:
    return len(home.commands()) >= min(count, 2)


async def test_what_a_crashed_dyno_left_behind_does_not_keep_its_port(home: Home) -> None:
    port = free_port()
    serve = home.script(SERVE).removeprefix("exec ")
    await home.dynos.apply(home.app, [home.dyno("web.1", f"setsid {serve} & sleep 1.5; kill -9 $$", port=port)])
    first = home.processes()

    await home.until_said("Process exited with status 137")
    await until(lambda: all_are_new(home, first))
    await until(lambda: is_served(port))


async def all_are_new(home: Home, first: list[int]) -> bool:
    return not set(first) & set(home.processes())


async def is_served(port: int) -> bool:
    return await greeting(port) == "web.1"


async def test_a_folder_that_is_gone_is_told_in_the_log(home: Home) -> None:
    dyno = dataclasses.replace(home.dyno("worker.1", "sleep 600"), directory=home.directory / "gone")
    await home.dynos.apply(home.app, [dyno])

    await home.until_said(f"The command could not be started: {dyno.directory}: No such file or directory")


async def test_dynos_survive_those_who_started_them_and_are_found_again(home: Home) -> None:
    dyno = home.dyno("worker.1", "exec sleep 600")
    await home.dynos.apply(home.app, [dyno])
    before = await home.pids()

    successor = home.at_hand()
    await successor.start()

    assert await successor.apply(home.app, [dyno]) == await home.dynos.apply(home.app, [dyno])
    assert await home.pids() == before


async def test_all_come_back_after_a_stop_and_a_start(home: Home) -> None:
    dyno = home.dyno("worker.1", "exec sleep 600")
    await home.dynos.apply(home.app, [dyno])
    await home.dynos.stop()
    assert home.processes() == []
    assert not await home.dynos.is_alive()

    await home.dynos.start()

    assert (await home.pids())["worker.1"]
    assert (await home.dynos.apply(home.app, [dyno])).kept == ("worker.1",)


async def test_two_homes_beside_each_other_do_not_know_each_other(home: Home) -> None:
    other = Home(app=home.app)
    try:
        await other.dynos.start()
        await home.dynos.apply(home.app, [home.dyno("worker.1", "exec sleep 600")])
        await other.dynos.apply(home.app, [])
        assert (await home.pids())["worker.1"]
    finally:
        await other.close()
    assert await home.dynos.is_alive()


async def test_a_home_may_have_an_awkward_name() -> None:
    await ensure_system_users()
    home = Home(Path(tempfile.mkdtemp(prefix="co- 50%'s ")), sockets=Path(tempfile.mkdtemp(prefix="co-")))
    try:
        await home.dynos.start()
        await home.dynos.apply(home.app, [home.dyno("worker.1", "echo up; exec sleep 600")])
        await home.until_said("up")
    finally:
        await home.close()


@pytest.mark.parametrize("name", ["web", "../web.1", "web.x", "web 1.1"])
async def test_a_name_that_is_none_is_refused(idle_home: Home, name: str) -> None:
    with pytest.raises(ValueError, match="not the key of an app"):
        await idle_home.dynos.apply(idle_home.app, [idle_home.dyno(name, "true")])
