"""The official CLI, unmodified, runs an app of ours: maintenance, dynos, one-offs, logs, releases, phase."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import pytest
from tests.fix_control_plane import running_plane
from tests.official_cli.official import missing
from tests.official_cli.processes import TAILED, Day, LongRunningCli, Operator

# typed once, by one worker
pytestmark = [pytest.mark.xdist_group("official-cli-processes"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    if reason := missing():
        pytest.skip(reason)
    for plane in running_plane():
        exports = plane.must("env", "--data-dir", str(plane.home), "--json").json
        heroku = LongRunningCli(exports, tmp_path_factory.mktemp("home"), plane.must("ca").stdout)
        yield Operator(plane, heroku, tmp_path_factory.mktemp("shop")).live()


SUCCEEDS = [
    "maintenance", "maintenance:on", "maintenance while on", "maintenance:off",
    "ps", "ps:scale worker=1", "ps:scale", "ps with a worker", "ps:restart", "ps:stop", "ps with a stopped worker",
    "ps:restart of a type", "ps:scale worker=0", "ps without a worker", "ps:type", "ps:type of web", "ps:wait",
    "run:detached", "run", "run -x", "logs", "logs of a type", "logs of a source",
    "config:set", "releases:output", "releases", "releases:info", "releases:rollback", "releases after the rollback",
    "pg:promote", "releases after pg:promote",
    "addons:create scheduler", "addons with the scheduler", "addons:info scheduler", "pg:info beside the scheduler",
    "addons:destroy scheduler",
]  # fmt: skip

SAYS = {
    "maintenance": "off",
    "maintenance:on": "Enabling maintenance mode for shop... done",
    "maintenance while on": "on",
    "maintenance:off": "Disabling maintenance mode for shop... done",
    "ps": "=== web (Standard-1X): python3 web.py (1) web.1: up",
    "ps:scale worker=1": "Scaling dynos... done, now running worker at 1:Standard-1X",
    "ps:scale": "release=0:Standard-1X web=1:Standard-1X worker=1:Standard-1X",
    "ps with a worker": "=== worker (Standard-1X): while true; do echo working; sleep 0.5; done (1) worker.1:",
    "ps:restart": "Restarting all dynos on shop... done",
    "ps:stop": "Stopping dyno worker.1 on shop... done",
    "ps with a stopped worker": "worker.1: down",
    "ps:restart of a type": "Restarting all worker dynos on shop... done",
    "ps:scale worker=0": "Scaling dynos... done, now running worker at 0:Standard-1X",
    "ps:type": "web Standard-1X 1",
    "ps:type of web": "web Standard-2X 1",
    "run:detached": "Running echo said by a detached one on shop... done, run.",
    "logs": "said by a detached one",
    "config:set": "Setting GREETING and restarting shop... done, v",
    "releases": "Set GREETING config vars",
    "releases:info": "Change: Set GREETING config vars",
    "releases:rollback": "Rolling back shop to v",
    "releases after the rollback": "Rollback to v",
    "addons:create scheduler": "Creating scheduler:standard on shop... free",
    "addons:create scheduler again": "An app can have it only once.",
    "addons with the scheduler": "as SCHEDULER",
    "addons:info scheduler": "Plan: scheduler:standard",
    "pg:info beside the scheduler": "Plan: Essential 0",
    "addons:destroy scheduler": "on shop... done",
    "pg:promote": "Checking release phase... pg:promote succeeded.",
}


@pytest.mark.parametrize("step", SUCCEEDS)
def test_a_command_of_the_day_succeeds(day: Day, step: str) -> None:
    assert day[step].code == 0, day[step]


@pytest.mark.parametrize("step", SAYS)
def test_a_command_says_what_it_says_elsewhere(day: Day, step: str) -> None:
    assert SAYS[step] in day[step].text


def test_maintenance_mode_keeps_visitors_out_until_it_is_over(day: Day) -> None:
    assert day.visits["after the deploy"] == (200, "GREETING=")
    assert day.visits["in maintenance"][0] == 503
    assert "Offline for Maintenance" in day.visits["in maintenance"][1]
    assert day.visits["after maintenance"] == (200, "GREETING=")


def test_a_type_that_is_scaled_to_nothing_has_no_dyno_any_more(day: Day) -> None:
    assert "worker" not in day["ps without a worker"].out
    assert "web.1: up" in day["ps without a worker"].out


def test_an_attached_one_off_says_what_it_says_and_no_more(day: Day) -> None:
    assert day["run"].out == "hello"
    assert "Running echo hello on shop... up, run." in day["run"].text


def test_an_attached_one_off_passes_its_exit_code_on(day: Day) -> None:
    assert day["run -x"].out.strip() == ""
    assert day["run -x that fails"].code == 1
    assert "Process exited with code 1" in day["run -x that fails"].err


def test_every_line_of_the_log_has_time_source_and_dyno(day: Day) -> None:
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 (app|heroku)\[(router|[a-z]+\.\d+)\]: .+")

    lines = day["logs"].out.splitlines()

    assert [line for line in lines if line and not form.fullmatch(line)] == []
    for source in ("app[web.1]", "app[worker.1]", "heroku[web.1]", "heroku[router]", "app[release."):
        assert source in day["logs"].out


def test_the_log_can_be_of_one_type_or_of_one_source(day: Day) -> None:
    assert set(re.findall(r"\[(\w+)\.", day["logs of a type"].out)) == {"worker"}
    assert "app[worker.1]: working" in day["logs of a type"].out
    assert set(re.findall(r" (\w+)\[", day["logs of a source"].out)) == {"heroku"}


def test_the_log_goes_on_until_it_is_interrupted(day: Day) -> None:
    tailed = day["logs --tail"]

    assert tailed.code == -signal.SIGINT
    assert tailed.err == ""
    lines = tailed.out.splitlines()
    assert tailed.out.count("app[worker.1]: working") > TAILED
    assert len(set(lines)) == len(lines)


def test_a_config_change_is_a_release_that_runs_its_phase_and_reaches_the_dynos(day: Day) -> None:
    assert "GREETING: morning" in day["config:set"].out
    assert day["releases:output"].out == "migrating for morning"
    assert day.visits["after config:set"] == (200, "GREETING=morning")
    assert "(release command" not in day["releases"].out


def test_waiting_for_a_release_ends_when_every_dyno_has_it(day: Day) -> None:
    assert "web.1: up" in day["ps after the release"].out
    assert "worker.1: up" in day["ps after the release"].out


def test_a_rollback_takes_the_config_back_and_shows_its_phase(day: Day) -> None:
    assert "Running release command... migrating for" in day["releases:rollback"].text
    assert "Release command starting" not in day["releases:rollback"].text
    assert day.visits["after the rollback"] == (200, "GREETING=")


def test_promoting_is_a_release_for_the_old_and_one_for_the_new_database(day: Day) -> None:
    releases = day["releases after pg:promote"].out

    assert f"Attach DATABASE (@ref:{day.new})" in releases
    assert f"Detach DATABASE (@ref:{day.old})" in releases
    assert "failed" not in releases


def test_who_asks_for_databases_does_not_see_the_scheduler(day: Day) -> None:
    assert "scheduler" not in day["pg:info beside the scheduler"].out.lower()
    assert day["addons:create scheduler again"].code != 0
    assert "_URL" not in day["addons:create scheduler"].text
