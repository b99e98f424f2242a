"""The systemd units that are shipped: what they promise is what the command understands."""

from __future__ import annotations

import configparser
import shlex
from pathlib import Path

import pytest

from changeover.cli.local import server
from changeover.hosts.users import SYSTEM_USERS

UNITS = Path(__file__).resolve().parents[2] / "packaging/systemd"


def unit(name: str) -> configparser.ConfigParser:
    found = configparser.ConfigParser(interpolation=None, strict=False)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(UNITS / name)
    return found


def test_the_unit_starts_a_server_that_leaves_databases_and_dynos_running() -> None:
    program, command, *options = shlex.split(unit("changeover.service")["Service"]["ExecStart"])
    given = server.make_context("server", options).params

    assert (program, command) == ("/opt/changeover/bin/changeover", "server")
    assert given["leave_running"] is True
    assert given["listen"] == "127.0.0.1:5000"


@pytest.mark.parametrize(
    ("setting", "value"), [("KillMode", "process"), ("OOMPolicy", "continue"), ("RuntimeDirectoryPreserve", "yes")]
)
def test_stopping_the_unit_touches_nothing_that_it_has_started(setting: str, value: str) -> None:
    assert unit("changeover.service")["Service"][setting] == value


def test_the_host_going_down_ends_everything_in_order() -> None:
    shutdown = unit("changeover-shutdown.service")

    assert shutdown["Service"]["ExecStop"].endswith("/bin/changeover stop")
    assert shutdown["Unit"]["After"] == "changeover.service"  # units stop in the reverse order


def test_every_system_user_is_made_beforehand() -> None:
    made = [
        line.split()[1] for line in (UNITS / "changeover-sysusers.conf").read_text().splitlines() if line[:2] == "u "
    ]

    assert tuple(made) == SYSTEM_USERS
