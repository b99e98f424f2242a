"""The official CLI, unmodified, moves a database into a private space by the articles' runbook with running apps in front."""

from __future__ import annotations

import psycopg
import pytest
from tests.official_cli.runbook import APPS, Played

# the runbook takes about two minutes and is typed once, by one worker
pytestmark = [pytest.mark.xdist_group("official-cli"), pytest.mark.timeout(600)]

DONE = [
    "apps:create",
    "create leader",
    "spaces:create",
    "spaces:wait",
    "apps:create in the space",
    "attach leader",
    "info without",
    "info by config var",
    "info by name",
    *(f"scale up {app}" for app in APPS),
    "create follower",
    "docs",
    "wait",
    "addons:info",
    "create follower, older syntax",
    "wait for all",
    "info of the follower",
    "promote a follower",
    "promote the leader again",
    *(f"{step} {app}" for app in APPS for step in ("maintenance:on", "formation of", "scale down")),
    "info before unfollowing",
    "unfollow",
    "info of the unfollowed",
    "promote",
    "attach to the other app",
    "promote on the other app",
    "releases of the other app",
    "info of the second follower",
    *(f"{step} {app}" for app in APPS for step in ("maintenance:off", "scale back")),
    "info with traffic",
    "detach 0",
    "destroy",
    "info of the freed follower",
    "info at the end",
    "credentials",
]


@pytest.mark.parametrize("step", DONE)
def test_a_command_of_the_runbook_succeeds(played: Played, step: str) -> None:
    assert played[step].code == 0, played[step]


@pytest.mark.parametrize("step", ["info without", "info by config var", "info by name"])
def test_info_shows_the_database_however_it_is_named(played: Played, step: str) -> None:
    info = played[step]

    assert "=== DATABASE_URL" in info.out
    assert info.row("Plan") == "Standard 0"
    assert info.row("Status") == "Available"
    assert info.row("Add-on") == played.old


def test_a_follower_says_its_price_its_name_and_that_it_is_being_made(played: Played) -> None:
    text = played["create follower"].text

    assert "Creating heroku-postgresql:private-4 on shop-private... ~$2.083/hour (max $1500/month)" in text
    assert f"{played.new} is being created in the background. The app will restart when complete..." in text
    assert "Follower will become available for read-only queries when up-to-date" in text
    assert "Use `heroku pg:wait` to track status" in text


def test_a_follower_is_attached_under_a_colour_and_never_as_database(played: Played) -> None:
    assert "shop-private::HEROKU_POSTGRESQL_" in played["addons:info"].out
    assert "shop-private::DATABASE" not in played["addons:info"].out


def test_a_follower_catches_up_with_its_leader(played: Played) -> None:
    info = played["info of the follower"]

    assert info.row("Following") == "DATABASE"
    assert info.row("Behind By") == "0 commits"
    assert played.was_in_recovery is True


REFUSED = {
    "follow essential": "essential",
    "follow unknown": "NOBODY_URL",
    "follow foreign": "changeover migrate",
    "follow a follower": "follower",
    "unfollow leader": "is not a follower",
    "unfollow without confirm": "Confirmation shop did not match shop-private. Aborted.",
    "promote again": "is already promoted on shop-private",
    "destroy a followed leader": "follow",
    "destroy while attached": "addons:detach",
    "destroy, wrong confirmation": "Confirmation shop-private did not match shop. Aborted.",
}


@pytest.mark.parametrize("step", REFUSED)
def test_what_makes_no_sense_is_refused_and_says_why(played: Played, step: str) -> None:
    assert played[step].code != 0
    assert REFUSED[step].lower() in played[step].text.lower()
    assert "secret" not in played[step].text


def test_a_refused_follower_leaves_nothing(played: Played) -> None:
    assert "postgresql-" in played["databases after refusals"].out
    assert "private-4" not in played["databases after refusals"].out


def test_promoting_a_follower_warns_that_it_is_read_only(played: Played) -> None:
    warning = "Your database has been promoted but it is currently a follower database in read-only mode."

    assert warning in played["promote a follower"].text


def test_unfollowing_makes_it_writable_for_ever(played: Played) -> None:
    assert f"{played.new} unfollowing... done" in played["unfollow"].text
    assert played.is_in_recovery is False
    assert played["info of the unfollowed"].row("Following") is None
    assert played["info of the unfollowed"].row("Forked From") == "DATABASE"


def test_promoting_keeps_an_alias_for_the_old_and_points_the_app_to_the_new(played: Played) -> None:
    text = played["promote"].text

    assert "Ensuring an alternate alias for existing DATABASE_URL... HEROKU_POSTGRESQL_" in text
    assert f"Promoting {played.new} to DATABASE_URL on shop-private... done" in text
    assert played.new_url != played.old_url


def test_every_row_is_there_after_the_changeover(played: Played) -> None:
    assert played.orders == list(range(1, 1002))


def test_no_acknowledged_order_of_the_running_apps_is_lost(played: Played) -> None:
    assert len(played.acknowledged) > 1000
    assert played.acknowledged - played.found == set()


@pytest.mark.parametrize("app", APPS)
def test_in_maintenance_people_are_told_so_and_nothing_writes(played: Played, app: str) -> None:
    assert f"Enabling maintenance mode for {app}... done" in played[f"maintenance:on {app}"].text
    assert played.ordering_in_maintenance[app] == 503
    assert "worker" not in played[f"ps of {app} in maintenance"].out
    assert played.writing_in_maintenance == set()


@pytest.mark.parametrize("app", APPS)
def test_afterwards_each_app_runs_as_many_dynos_as_before(played: Played, app: str) -> None:
    assert "worker=" in played[f"formation of {app}"].out
    assert played[f"formation of {app} afterwards"].out == played[f"formation of {app}"].out


@pytest.mark.parametrize("step", ["promote", "promote on the other app"])
def test_promoting_waits_for_the_release_phase_of_the_running_app(played: Played, step: str) -> None:
    assert "Checking release phase... pg:promote succeeded." in played[step].text


def test_the_releases_tell_the_changeover(played: Played) -> None:
    assert "Attach DATABASE" in played["releases of the other app"].out
    assert "Detach DATABASE" in played["releases of the other app"].out


def test_the_old_leaders_other_follower_keeps_following_it(played: Played) -> None:
    assert played["info of the second follower"].row("Behind By") == "0 commits"


def test_the_old_leader_really_goes(played: Played) -> None:
    assert f"Destroying {played.old} on shop... done" in played["destroy"].text
    assert played.old not in played["info at the end"].out
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(played.old_url, connect_timeout=5)


def test_a_follower_whose_leader_goes_by_force_stands_alone(played: Played) -> None:
    info = played["info of the freed follower"]

    assert info.row("Status") == "Available"
    assert info.row("Following") is None
