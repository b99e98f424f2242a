"""Add-ons: what is sent, what is asked first, what is printed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import ADDON, SHOP, Plane, Reply, Turns, attachment

from changeover.cli.addon_views import price_line
from changeover.cli.addons import parse_config
from changeover.errors import Misused


@pytest.mark.parametrize(
    ("words", "config"),
    [
        ([], {}),
        (["--follow", "DATABASE"], {"follow": "DATABASE"}),
        (["--follow=app::RED"], {"follow": "app::RED"}),
        (["--flag"], {"flag": True}),
        (["--flag", "--n", "5"], {"flag": True, "n": "5"}),
        (["--a=true", "--b=false", "--c=x=y"], {"a": True, "b": "false", "c": "x=y"}),
    ],
)
def test_words_after_the_dashes_become_the_add_ons_config(words: list[str], config: dict[str, Any]) -> None:
    assert parse_config(words) == config


def test_a_word_that_is_no_option_is_refused() -> None:
    with pytest.raises(Misused, match="Unexpected argument DATABASE"):
        parse_config(["DATABASE"])


@pytest.mark.parametrize(
    ("cents", "more", "line"),
    [
        (150000, {}, "~$2.083/hour (max $1500/month)"),
        (5050, {}, "~$0.070/hour (max $50.50/month)"),
        (0, {}, "free"),
        (1, {"metered": True}, "metered"),
        (1, {"contract": True}, "contract"),
    ],
)
def test_a_price_is_shown_by_the_hour_and_by_the_month(cents: int, more: dict[str, bool], line: str) -> None:
    assert price_line({"cents": cents, "unit": "month", **more}) == line


FOLLOW = ["--follow", "postgresql-curved-1"]


@pytest.mark.parametrize("tail", [["--", *FOLLOW], FOLLOW], ids=["after the dashes", "as it used to be"])
def test_a_follower_is_asked_for_in_either_form(typed: Keyboard, plane: Plane, tail: list[str]) -> None:
    ended = typed("addons:create", "heroku-postgresql:private-4", "--as", "COPY", "-a", "shop", *tail)

    assert ended.exit_code == 0
    assert plane.sent("POST /apps/shop/addons") == [
        {
            "plan": {"name": "heroku-postgresql:private-4"},
            "config": {"follow": "postgresql-curved-1"},
            "attachment": {"name": "COPY"},
        }
    ]


def test_waiting_for_a_new_add_on_ends_with_its_config_vars(typed: Keyboard, plane: Plane) -> None:
    making = {**ADDON, "state": "provisioning"}
    plane.answers["GET /apps/shop/addons/postgresql-curved-1"] = Turns([making, ADDON])
    ended = typed("addons:create", "heroku-postgresql:private-4", "--wait", "-a", "shop")

    assert "Creating postgresql-curved-1... done" in ended.stderr
    assert ended.stdout.endswith("Created postgresql-curved-1 as DATABASE_URL\n")


def test_an_add_on_that_could_not_be_made_fails_the_wait(typed: Keyboard, plane: Plane) -> None:
    plane.answers["GET /apps/shop/addons/postgresql-curved-1"] = {**ADDON, "state": "deprovisioned"}
    ended = typed("addons:create", "heroku-postgresql:private-4", "--wait", "-a", "shop")

    assert (ended.exit_code, "with status deprovisioned" in ended.stderr) == (1, True)


NEEDS_NAME = Reply({"id": "confirmation_required", "message": "RED exists.", "what": "RED exists."}, 423)


def test_what_the_server_wants_confirmed_is_asked_again_with_the_apps_name(typed: Keyboard, plane: Plane) -> None:
    plane.answers["POST /addon-attachments"] = Turns([NEEDS_NAME, Reply(attachment("RED"), 201)])
    ended = typed("addons:attach", "postgresql-curved-1", "--as", "RED", "-a", "shop", "--confirm", "shop")

    assert ended.exit_code == 0
    assert [body["confirm"] for body in plane.sent("POST /addon-attachments")] == ["shop", "shop"]
    assert "Setting RED config vars and restarting shop... done, v12" in ended.stderr


def test_without_a_terminal_a_missing_confirmation_is_asked_for_as_an_option(typed: Keyboard, plane: Plane) -> None:
    plane.answers["POST /addon-attachments"] = NEEDS_NAME
    ended = typed("addons:attach", "postgresql-curved-1", "--as", "RED", "-a", "shop")

    assert ended.exit_code == 2
    assert "re-run this command with --confirm shop" in ended.stderr
    assert len(plane.sent("POST /addon-attachments")) == 1


@pytest.mark.parametrize("confirm", [[], ["--confirm", "shap"]])
def test_nothing_is_destroyed_unless_its_apps_name_is_given(typed: Keyboard, plane: Plane, confirm: list[str]) -> None:
    ended = typed("addons:destroy", "DATABASE", "-a", "shop", *confirm)

    assert ended.exit_code == 2
    assert "DELETE" not in {asked.method for asked in plane.asked}


def test_another_apps_add_on_is_not_destroyed_from_here(typed: Keyboard, plane: Plane) -> None:
    plane.answers["POST /actions/addons/resolve"] = [{**ADDON, "app": {**SHOP, "name": "other"}}]
    ended = typed("addons:destroy", "postgresql-curved-1", "-a", "shop", "--confirm", "shop")

    assert "postgresql-curved-1 is on other not shop." in ended.stderr
    assert "DELETE" not in {asked.method for asked in plane.asked}


def test_force_is_handed_on(typed: Keyboard, plane: Plane) -> None:
    ended = typed("addons:destroy", "DATABASE", "-a", "shop", "--confirm", "shop", "--force", "--json")

    assert plane.sent("DELETE /apps/a1/addons/d1") == [{"force": True}]
    assert json.loads(ended.stdout)["state"] == "deprovisioned"


def test_the_apps_list_shows_add_ons_of_other_apps_too(typed: Keyboard, plane: Plane) -> None:
    foreign = {**ADDON, "id": "d9", "name": "postgresql-far-9", "app": {"id": "a9", "name": "far"}}
    plane.answers["GET /addon-attachments"] = [attachment("DATABASE"), attachment("FAR", addon=foreign)]
    shown = typed("addons", "-a", "shop").stdout

    cells = [line.split("   ") for line in shown.splitlines() if "heroku-postgresql" in line]
    assert [[cell.strip() for cell in line if cell.strip()] for line in cells] == [
        ["heroku-postgresql (postgresql-curved-1)", "private-4", "~$2.083/hour", "$1500/month", "created"],
        ["heroku-postgresql (postgresql-far-9)", "private-4", "(billed to far app)", "(billed to far app)", "created"],
    ]
