"""One-off dynos: the command as it is sent, the line to it, the terminal before, meanwhile and afterwards."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import TOKEN, Plane, Reply
from tests.cli.rendezvous import Authority, Rendezvous, running_rendezvous

from changeover.cli.run import command_line, surroundings

DYNOS = "POST /apps/shop/dynos"
CLI = [sys.executable, "-m", "changeover.cli"]
STATUS = "\uffff heroku-command-exit-status:"


@pytest.fixture
def rendezvous(plane: Plane, tmp_path: Path) -> Iterator[Rendezvous]:
    """A dyno run.7 that waits for its caller."""
    with running_rendezvous(tmp_path) as rendezvous:
        plane.answers["GET /changeover/v1/ca"] = {"certificate": rendezvous.authority.certificate}
        plane.answers[DYNOS] = Reply({"name": "run.7", "attach_url": rendezvous.url, "size": "Standard-1X"}, 201)
        yield rendezvous


def ran(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*CLI, "run", "-a", "shop", *words], input=stdin, capture_output=True, timeout=30, check=False
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("rake db:migrate",), "rake db:migrate"),
        (("ls", "-l"), "ls -l"),
        (("echo", "two words", 'a"b'), r'echo "two words" "a\"b"'),
    ],
)
def test_words_become_one_line_of_shell(words: tuple[str, ...], line: str) -> None:
    assert command_line(words) == line


def test_the_command_finds_what_was_given_and_what_terminal_this_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert surroundings("A=1; B = x=y ;nonsense", "xterm") == {"A": "1", "B": "x=y", "TERM": "xterm"}
    assert "env flag nonsense appears invalid." in capsys.readouterr().err


def test_a_detached_command_is_sent_and_its_logs_are_named(typed: Keyboard, plane: Plane) -> None:
    plane.answers[DYNOS] = Reply({"name": "run.7", "attach_url": None}, 201)
    ended = typed("run:detached", "-a", "shop", "-s", "standard-2x", "--type", "worker", "--", "ls", "-la")

    sent = plane.sent(DYNOS)[0]
    del sent["env"]
    assert sent == {"attach": False, "command": "ls -la", "size": "standard-2x", "type": "worker"}
    assert ended.stderr == "Running ls -la on shop... done, run.7\n"
    assert ended.stdout == "Run changeover logs --app shop --dyno run.7 to view the output.\n\n"


def test_a_detached_command_can_be_followed(typed: Keyboard, plane: Plane) -> None:
    plane.answers[DYNOS] = Reply({"name": "run.7", "attach_url": None}, 201)
    plane.answers["POST /apps/shop/log-sessions"] = Reply({"logplex_url": f"{plane.url}/logs/1"}, 201)
    plane.answers["GET /logs/1"] = Reply(None, 404)
    ended = typed("run:detached", "ls", "-a", "shop", "--tail")

    assert plane.sent("POST /apps/shop/log-sessions") == [{"tail": True, "dyno": "run.7"}]
    assert "Log stream timed out. Please try again." in ended.stderr


@pytest.mark.parametrize("name", ["run", "run:detached"])
def test_without_a_command_nothing_runs(typed: Keyboard, plane: Plane, name: str) -> None:
    assert typed(name, "-a", "shop").exit_code == 2
    assert plane.asked == []


def test_bytes_go_both_ways_until_the_dyno_hangs_up(plane: Plane, rendezvous: Rendezvous) -> None:
    def shout(line: ssl.SSLSocket) -> None:
        line.sendall(b"name?\r\n")
        line.sendall(rendezvous.until(line, b"\x04").upper() + b"\r\n")

    rendezvous.dyno = shout
    ended = ran("cat", stdin=b"ada\n")

    assert (ended.returncode, ended.stdout) == (0, b"name?\nADA\n\x04\n")
    assert ended.stderr == b"Running cat on shop... up, run.7\n"
    assert plane.sent(DYNOS)[0]["attach"] is True


def test_much_input_and_much_output_do_not_block_each_other(rendezvous: Rendezvous) -> None:
    def echo(line: ssl.SSLSocket) -> None:
        while chunk := line.recv(65536):
            line.sendall(chunk)
            if chunk.endswith(b"\x04"):
                return

    rendezvous.dyno = echo
    much = b"0123456789abcdef" * 250_000

    assert ran("cat", stdin=much).stdout == much + b"\x04"


@pytest.mark.parametrize(("status", "says"), [(0, b""), (3, b" \xe2\x96\xb8    Process exited with code 3\n")])
def test_with_x_the_exit_code_is_the_commands(plane: Plane, rendezvous: Rendezvous, status: int, says: bytes) -> None:
    rendezvous.dyno = lambda line: line.sendall(f"out\r\n{STATUS} {status}\r\n".encode())
    ended = ran("-x", "exit 3")

    assert (ended.returncode, ended.stdout) == (status, b"out\n")
    assert ended.stderr.endswith(b"up, run.7\n" + says)
    assert plane.sent(DYNOS)[0]["command"] == f'exit 3 ; echo "{STATUS} $?"'


def test_with_x_a_line_that_ends_without_a_code_is_unknown(rendezvous: Rendezvous) -> None:
    rendezvous.dyno = lambda line: line.sendall(b"out\r\n")
    ended = ran("-x", "true")

    assert (ended.returncode, b"No exit code returned" in ended.stderr) == (3, True)


def test_without_x_the_exit_code_is_0_whatever_the_command_said(rendezvous: Rendezvous) -> None:
    rendezvous.dyno = lambda line: line.sendall(b"failed\r\n")

    assert ran("false").returncode == 0


def test_as_json_the_output_is_kept_together(rendezvous: Rendezvous) -> None:
    rendezvous.dyno = lambda line: line.sendall(f"out\r\n{STATUS} 2\r\n".encode())
    ended = ran("-x", "--json", "ls")

    assert (ended.returncode, json.loads(ended.stdout)) == (2, {"name": "run.7", "exit_code": 2, "output": "out\n"})


def test_a_server_that_our_authority_did_not_certify_is_told_nothing(
    plane: Plane, rendezvous: Rendezvous, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    plane.answers["GET /changeover/v1/ca"] = {"certificate": Authority(tmp_path / "other").certificate}
    ended = ran("ls")

    assert (ended.returncode, b"CERTIFICATE_VERIFY_FAILED" in ended.stderr) == (3, True)
    assert b"Error ID: server_unreachable" in ended.stderr


@pytest.fixture
def terminal(plane: Plane, tmp_path: Path) -> Iterator[pexpect.spawn[str]]:
    """A shell's place: the command runs in it, and the terminal is still there afterwards."""
    env: dict[str, Any] = {**os.environ, "CHANGEOVER_URL": plane.url, "CHANGEOVER_API_KEY": TOKEN, "TERM": "xterm"}
    spawned = pexpect.spawn(
        "/bin/sh", ["-c", 'stty -a; "$@"; echo "ended with $?"; stty -a; read line', "sh", *CLI, "run", "-a", "shop", "bash"],
        env=env, cwd=tmp_path, encoding="utf-8", timeout=20, dimensions=(40, 120),
    )  # fmt: skip
    yield spawned
    spawned.close(force=True)


def test_on_a_terminal_every_key_goes_to_the_dyno_and_the_terminal_is_restored(
    plane: Plane, rendezvous: Rendezvous, request: pytest.FixtureRequest
) -> None:
    def bash(line: ssl.SSLSocket) -> None:
        line.sendall(b"\x1b[1m$\x1b[0m ")
        rendezvous.until(line, b"\x03\x04")

    rendezvous.dyno = bash
    terminal: pexpect.spawn[str] = request.getfixturevalue("terminal")
    terminal.expect_exact("$\x1b[0m ")
    terminal.send("l\t\x03\x04")
    terminal.expect("ended with 0")
    terminal.expect(r"(?<!-)\bicanon\b")
    terminal.expect(r"(?<!-)\becho\b")

    assert rendezvous.heard == b"l\t\x03\x04"
    env = plane.sent(DYNOS)[0]["env"]
    assert (env["COLUMNS"], env["LINES"], env["TERM"]) == (120, 40, "xterm")


def test_a_signal_leaves_the_terminal_as_it_was(rendezvous: Rendezvous, request: pytest.FixtureRequest) -> None:
    def killed_from_elsewhere(line: ssl.SSLSocket) -> None:
        line.sendall(b"ready")
        rendezvous.until(line, b"never")

    rendezvous.dyno = killed_from_elsewhere
    terminal: pexpect.spawn[str] = request.getfixturevalue("terminal")
    terminal.expect_exact("ready")
    next(iter(psutil.Process(terminal.pid).children())).terminate()
    terminal.expect("ended with 143")
    terminal.expect(r"(?<!-)\bicanon\b")


def test_four_interrupts_in_a_row_let_go_of_a_dyno_that_no_longer_hears(
    rendezvous: Rendezvous, request: pytest.FixtureRequest
) -> None:
    def deaf(line: ssl.SSLSocket) -> None:
        line.sendall(b"ready")
        rendezvous.until(line, b"never")

    rendezvous.dyno = deaf
    terminal: pexpect.spawn[str] = request.getfixturevalue("terminal")
    terminal.expect_exact("ready")
    for _ in range(4):
        terminal.send("\x03")
    terminal.expect("forcing dyno disconnect")
    terminal.expect("ended with 3")
