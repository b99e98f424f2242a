"""Databases: info, wait, unfollow, promote, in the words that people look for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import Plane, Reply, Turns, attachment

WAIT = "GET /client/v11/databases/d1/wait_status"
DATABASE = "GET /client/v11/databases/d1"
PROMOTE = "POST /changeover/v1/apps/shop/databases/RED/actions/promote"
LEADER = "postgres://u:p@127.0.0.9:20009/db"


@pytest.fixture
def follower(plane: Plane) -> dict[str, Any]:
    """The shop's database follows another one, which the app calls RED."""
    plane.answers["GET /apps/shop/config-vars"]["RED_URL"] = LEADER
    record: dict[str, Any] = plane.answers[DATABASE]
    record["following"] = LEADER
    record["info"] += [
        {"name": "Following", "values": [LEADER], "resolve_db_name": True},
        {"name": "Behind By", "values": ["125 commits"]},
    ]
    return record


def test_a_follower_shows_whom_it_follows_and_how_far_behind(
    typed: Keyboard, plane: Plane, follower: dict[str, Any]
) -> None:
    shown = typed("pg:info", "-a", "shop").stdout

    assert "=== DATABASE_URL" in shown
    assert "Following: RED\nBehind By: 125 commits\nAdd-on:    postgresql-curved-1\n" in shown
    assert "HA Status" not in shown


def test_json_of_one_database_is_an_object_and_of_all_a_list(typed: Keyboard, plane: Plane) -> None:
    assert json.loads(typed("pg:info", "DATABASE", "-a", "shop", "--json").stdout)["addon_id"] == "d1"
    assert [each["addon_id"] for each in json.loads(typed("pg:info", "-a", "shop", "-j").stdout)] == ["d1"]


def test_a_database_that_is_being_made_is_no_error(typed: Keyboard, plane: Plane) -> None:
    plane.answers[DATABASE] = Reply(None, 404)
    ended = typed("pg:info", "-a", "shop")

    assert ended.exit_code == 0
    assert "postgresql-curved-1 is not yet provisioned." in ended.stderr


def test_an_app_without_databases_says_so(typed: Keyboard, plane: Plane) -> None:
    plane.answers["GET /apps/shop/addon-attachments"] = []

    assert typed("pg:info", "-a", "shop").stdout == "shop has no heroku-postgresql databases.\n"


def test_waiting_ends_when_the_database_is_available(typed: Keyboard, plane: Plane) -> None:
    making = {"waiting?": True, "message": "preparing (40% completed)"}
    plane.answers[WAIT] = Turns([Reply(None, 404), making, {"waiting?": False, "message": "available"}])
    ended = typed("pg:wait", "-a", "shop", "--wait-interval", "0.01")

    assert ended.exit_code == 0
    assert ended.stderr == "Waiting for database postgresql-curved-1... available\n"


def test_waiting_for_what_is_available_says_nothing(typed: Keyboard, plane: Plane) -> None:
    assert typed("pg:wait", "-a", "shop").stderr == ""


def test_waiting_fails_with_what_went_wrong(typed: Keyboard, plane: Plane) -> None:
    plane.answers[WAIT] = {"waiting?": False, "error?": True, "message": "no space left"}
    ended = typed("pg:wait", "-a", "shop")

    assert (ended.exit_code, "no space left" in ended.stderr) == (1, True)


def test_unfollow_names_what_ends_and_needs_the_apps_name(
    typed: Keyboard, plane: Plane, follower: dict[str, Any]
) -> None:
    ended = typed("pg:unfollow", "DATABASE", "-a", "shop")

    assert ended.exit_code == 2
    assert "postgresql-curved-1 will become writeable and no longer follow RED. This cannot be undone." in ended.stderr
    assert "PUT" not in {asked.method for asked in plane.asked}


def test_unfollow_is_done_once_confirmed(typed: Keyboard, plane: Plane, follower: dict[str, Any]) -> None:
    plane.answers["PUT /client/v11/databases/d1/unfollow"] = {"message": "ok"}

    assert (
        typed("pg:unfollow", "DATABASE", "-a", "shop", "-c", "shop").stderr
        == "postgresql-curved-1 unfollowing... done\n"
    )


def test_what_follows_nothing_cannot_be_unfollowed(typed: Keyboard, plane: Plane) -> None:
    ended = typed("pg:unfollow", "DATABASE", "-a", "shop", "--confirm", "shop")

    assert ended.exit_code == 1
    assert "postgresql-curved-1 is not a follower" in ended.stderr


@pytest.fixture
def promoted(plane: Plane) -> dict[str, Any]:
    """What the control plane answers to a promotion of RED."""
    plane.answers["POST /actions/addon-attachments/resolve"] = [attachment("RED")]
    answer = {
        "attachment": attachment("DATABASE"),
        "previous": attachment("DATABASE"),
        "alias": "HEROKU_POSTGRESQL_GREEN",
        "warnings": [],
        "release": {"version": 14},
    }
    plane.answers[PROMOTE] = answer
    return answer


def test_promote_is_one_request_told_in_the_words_that_people_know(
    typed: Keyboard, plane: Plane, promoted: dict[str, Any]
) -> None:
    ended = typed("pg:promote", "RED_URL", "-a", "shop")

    assert plane.sent(PROMOTE) == [{"force": False}]
    assert ended.stderr.splitlines() == [
        "Ensuring an alternate alias for existing DATABASE_URL... HEROKU_POSTGRESQL_GREEN_URL",
        "Promoting postgresql-curved-1 to DATABASE_URL on shop... done",
    ]


@pytest.mark.parametrize(
    ("status", "says"),
    [
        ("succeeded", "Checking release phase... pg:promote succeeded."),
        ("failed", "Checking release phase... pg:promote failed because Attach DATABASE release was unsuccessful."),
    ],
)
def test_promote_awaits_the_release_phase(
    typed: Keyboard, plane: Plane, promoted: dict[str, Any], status: str, says: str
) -> None:
    release = {"status": status, "description": "Attach DATABASE"}
    plane.answers["GET /apps/shop/formation"] = [{"type": "release"}]
    plane.answers["GET /apps/shop/releases/14"] = Turns([{**release, "status": "pending"}, release])

    assert says in typed("pg:promote", "RED", "-a", "shop").stderr


def test_a_refused_promotion_says_why(typed: Keyboard, plane: Plane, promoted: dict[str, Any]) -> None:
    what = "postgresql-curved-1 is already promoted on shop"
    plane.answers[PROMOTE] = Reply({"id": "already_promoted", "message": what, "what": what}, 422)
    ended = typed("pg:promote", "RED", "-a", "shop")

    assert (ended.exit_code, what in ended.stderr) == (1, True)


def test_a_promoted_follower_is_warned_about_once_it_is_promoted(
    typed: Keyboard, plane: Plane, promoted: dict[str, Any], follower: dict[str, Any]
) -> None:
    follower["leader"] = "postgresql-old-9"
    lines = typed("pg:promote", "RED", "-a", "shop").stderr.splitlines()

    assert lines[1].endswith("... done")
    assert "it is currently a follower database in read-only mode." in lines[2]
    assert "(postgresql-old-9)" in lines[4]


REFUSED = Reply({"id": "forbidden", "what": "You do not have the permission to do this on the app shop."}, 403)


@pytest.mark.parametrize("named", [[], ["DATABASE"]])
def test_a_database_is_shown_without_its_secrets_to_those_who_may_not_read_them(
    typed: Keyboard, plane: Plane, follower: dict[str, Any], named: list[str]
) -> None:
    follower["leader"] = "postgresql-round-2"
    plane.answers["GET /apps/shop/config-vars"] = REFUSED

    ended = typed("pg:info", *named, "-a", "shop")

    assert (ended.exit_code, ended.stderr) == (0, "")
    assert "=== DATABASE_URL" in ended.stdout
    assert "Following: postgresql-round-2\n" in ended.stdout


def test_an_unknown_database_is_named_to_those_who_may_not_read_secrets(typed: Keyboard, plane: Plane) -> None:
    plane.answers["GET /apps/shop/config-vars"] = REFUSED
    plane.answers["POST /actions/addon-attachments/resolve"] = Reply({"id": "not_found", "what": "No."}, 404)

    assert "Unknown database: BLUE. Valid options are: DATABASE" in typed("pg:info", "BLUE", "-a", "shop").stderr


def test_unfollow_does_not_read_secrets(typed: Keyboard, plane: Plane, follower: dict[str, Any]) -> None:
    plane.answers["GET /apps/shop/config-vars"] = REFUSED
    plane.answers["PUT /client/v11/databases/d1/unfollow"] = {"message": "unfollowed", "run": 1}

    ended = typed("pg:unfollow", "DATABASE", "-a", "shop", "--confirm", "shop")

    assert (ended.exit_code, len(plane.sent("PUT /client/v11/databases/d1/unfollow"))) == (0, 1)
