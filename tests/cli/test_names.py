"""Which app, database and config var a person means."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import URL, Plane, Reply, attachment

from changeover.cli.appname import apps_of_remotes
from changeover.cli.resolve import config_vars_of, in_namespace, name_of_url

REMOTES = (
    "heroku\thttps://127.0.0.1:5000/shop.git (fetch)\n"
    "heroku\thttps://127.0.0.1:5000/shop.git (push)\n"
    "origin\tgit@example.com:me/other.git (fetch)\n"
    "staging\tgit@heroku.example:shop-staging.git (fetch)\n"
)


@pytest.mark.parametrize(
    ("names", "apps"),
    [
        (["heroku", "changeover"], {"heroku": "shop"}),
        (["staging"], {"staging": "shop-staging"}),
        (["nobody"], {}),
    ],
)
def test_an_app_is_read_out_of_git_remotes(names: list[str], apps: dict[str, str]) -> None:
    assert apps_of_remotes(REMOTES, names) == apps


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    add_remote(tmp_path, "heroku", "shop")
    return tmp_path


def add_remote(checkout: Path, name: str, app: str) -> None:
    url = f"http://127.0.0.1:5000/{app}.git"
    subprocess.run(["git", "-C", str(checkout), "remote", "add", name, url], check=True)


def test_a_checkout_names_its_app(typed: Keyboard, plane: Plane, checkout: Path) -> None:
    assert "=== shop Config Vars" in typed("config").stdout


@pytest.mark.parametrize("variable", ["HEROKU_APP", "CHANGEOVER_APP"])
def test_a_variable_names_the_app(
    typed: Keyboard, plane: Plane, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "shop")

    assert "=== shop Config Vars" in typed("config").stdout


def test_two_remotes_of_two_apps_are_not_guessed_between(typed: Keyboard, plane: Plane, checkout: Path) -> None:
    add_remote(checkout, "changeover", "other")
    ended = typed("config")

    assert (ended.exit_code, "changeover is other, heroku is shop" in ended.stderr) == (2, True)
    assert "=== shop Config Vars" in typed("config", "--remote", "heroku").stdout


def test_a_remote_that_is_not_there_is_named(typed: Keyboard, plane: Plane, checkout: Path) -> None:
    assert "The git remote nobody has no app." in typed("config", "--remote", "nobody").stderr


CONFIG = {
    "DATABASE_URL": "postgres://u:p@127.0.0.2:1/db",
    "HEROKU_POSTGRESQL_RED_URL": "postgres://other:q@127.0.0.2:1/db",
    "ELSEWHERE_URL": "postgres://u:p@127.0.0.2:2/db",
    "ODD": "postgres://u:p@[half",
    "TEXT": "x",
}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgres://127.0.0.2:1/db", "HEROKU_POSTGRESQL_RED"),
        ("postgres://127.0.0.2:2/db", "ELSEWHERE"),
        ("postgres://127.0.0.2:3/db", "127.0.0.2:3/db"),
    ],
)
def test_an_address_is_shown_under_the_name_that_the_app_gives_it(url: str, name: str) -> None:
    assert name_of_url(url, CONFIG) == name


def test_database_url_is_the_last_of_a_databases_names() -> None:
    assert config_vars_of("postgres://127.0.0.2:1/db", CONFIG) == ["HEROKU_POSTGRESQL_RED_URL", "DATABASE_URL"]


def test_a_namespace_decides_only_among_several() -> None:
    plain, named = attachment("A"), attachment("B", namespace="credential:x")

    assert in_namespace([named], None) == [named]
    assert in_namespace([plain, named], None) == [plain]
    assert in_namespace([plain, named], "credential:x") == [named]


def test_a_config_var_of_ones_own_making_names_a_database(typed: Keyboard, plane: Plane) -> None:
    plane.answers["POST /actions/addon-attachments/resolve"] = Reply({"id": "not_found", "message": "no"}, 404)
    plane.answers["GET /apps/shop/config-vars"] = {"DATABASE_URL": URL, "REPORTS_URL": URL}

    assert "Add-on:    postgresql-curved-1" in typed("pg:info", "REPORTS", "--app", "shop").stdout


def test_an_unknown_database_is_answered_with_those_that_there_are(typed: Keyboard, plane: Plane) -> None:
    plane.answers["POST /actions/addon-attachments/resolve"] = Reply({"id": "not_found", "message": "no"}, 404)
    ended = typed("pg:info", "NOPE", "--app", "shop")

    assert "Unknown database: NOPE. Valid options are: DATABASE" in ended.stderr


def test_an_app_before_two_colons_wins(typed: Keyboard, plane: Plane) -> None:
    typed("pg:info", "other::RED", "--app", "shop")

    assert plane.sent("POST /actions/addon-attachments/resolve") == [{"addon_attachment": "RED", "app": "other"}]


def test_two_different_databases_of_one_name_are_ambiguous(typed: Keyboard, plane: Plane) -> None:
    twins = [attachment("RED"), attachment("BLUE", addon={**attachment("BLUE")["addon"], "id": "d2"})]
    plane.answers["POST /actions/addon-attachments/resolve"] = twins
    ended = typed("pg:info", "postgresql", "--app", "shop")

    assert "Ambiguous identifier; multiple matching add-ons found: RED, BLUE." in ended.stderr
