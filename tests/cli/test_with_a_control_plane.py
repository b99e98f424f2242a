"""The command line against the real control plane: the articles' runbook, and what happens inside a database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_things import PRIVATE, Things, unique


def info_row(plane: ControlPlane, database: str, app: str, name: str) -> str | None:
    rows = plane.must("pg:info", database, "--app", app, "--json").json["info"]
    return next((", ".join(row["values"]) for row in rows if row["name"] == name), None)


@pytest.fixture
def shop(things: Things) -> str:
    return things.app()


@pytest.fixture
def leader(things: Things, shop: str) -> str:
    """The shop's DATABASE, with one table."""
    name: str = things.database(shop)["name"]
    things.plane.must("pg:psql", "--app", shop, "--command", "CREATE TABLE orders AS SELECT 1 AS id")
    return name


def test_the_runbook_moves_a_database_into_a_private_space(
    control_plane: ControlPlane, things: Things, shop: str, leader: str
) -> None:
    plane, space = control_plane, things.space(region="frankfurt")
    plane.must("spaces:wait", space)
    target = things.app(space=space)
    plane.must("addons:attach", leader, "--app", target, "--as", "OLD")
    created = plane.must("addons:create", PRIVATE, "--app", target, "--as", "NEW", "--", "--follow", leader)
    assert "~$2.083/hour (max $1500/month)" in created.stderr
    assert "Follower will become available for read-only queries when up-to-date" in created.stdout
    plane.must("pg:wait", "NEW", "--app", target)
    wait_until(lambda: info_row(plane, "NEW", target, "Behind By") == "0 commits", what="the follower to catch up")
    assert "Following:             OLD" in plane.must("pg:info", "NEW", "--app", target).stdout
    assert "unfollowing... done" in plane.must("pg:unfollow", "NEW", "--app", target, "--confirm", target).stderr
    plane.must("pg:wait", "NEW", "--app", target)
    assert "to DATABASE_URL on" in plane.must("pg:promote", "NEW_URL", "--app", target).stderr
    assert "f\n" in plane.must("pg:psql", "--app", target, "-c", "SELECT pg_is_in_recovery()").stdout
    refused = plane.typed("addons:destroy", leader, "--app", shop, "--confirm", shop)
    assert (refused.exit_code, "Error ID: attached_elsewhere" in refused.stderr) == (1, True)
    plane.must("addons:detach", "OLD", "--app", target)
    plane.must("addons:destroy", leader, "--app", shop, "--confirm", shop, "--wait")
    assert plane.must("config:get", "DATABASE_URL", "--app", shop).stdout == "\n"
    assert "INSERT 0 1" in plane.must("pg:psql", "--app", target, "-c", "INSERT INTO orders VALUES (2)").stdout


def test_promote_names_the_alias_of_the_former_database(
    control_plane: ControlPlane, things: Things, shop: str, leader: str
) -> None:
    other = things.database(shop)["name"]
    promoted = control_plane.must("pg:promote", other, "--app", shop).stderr.splitlines()

    assert promoted[0].startswith("Ensuring an alternate alias for existing DATABASE_URL... HEROKU_POSTGRESQL_")
    assert promoted[1] == f"Promoting {other} to DATABASE_URL on {shop}... done"
    again = control_plane.typed("pg:promote", other, "--app", shop)
    assert (again.exit_code, "already promoted" in again.stderr) == (1, True)


DIAGNOSTICS = (
    "ps --verbose|locks --truncate|blocking|long-running-queries|outliers -n 3|calls --truncate|cache-hit|index-usage"
    "|unused-indexes|seq-scans|bloat|vacuum-stats|records-rank|index-size|table-size|table-indexes-size"
    "|total-index-size|total-table-size|user-connections|extensions|kill 1|outliers --reset"
)


def test_every_question_about_the_inside_of_a_database_is_answered(
    control_plane: ControlPlane, shop: str, leader: str
) -> None:
    for words in DIAGNOSTICS.split("|"):
        name, *options = words.split()
        control_plane.must(f"pg:{name}", *options, "--app", shop)
    assert control_plane.must("pg:records-rank", "--app", shop, "--json").json[0]["name"] == "orders"


def test_sql_that_fails_says_what_postgresql_said(control_plane: ControlPlane, shop: str, leader: str) -> None:
    ended = control_plane.typed("pg:psql", "--app", shop, "--command", "SELECT nonsense")

    assert ended.exit_code == 1
    assert 'column "nonsense" does not exist' in ended.stderr


def test_config_is_set_in_one_release_and_rolled_back(control_plane: ControlPlane, shop: str) -> None:
    control_plane.must("config:set", "A=1", "B=two words", "--app", shop)
    changed = control_plane.must("config:set", "A=2", "--app", shop)
    assert (changed.stderr.endswith("done, v3\n"), changed.stdout) == (True, "A: 2\n")
    control_plane.must("rollback", "--app", shop)

    assert control_plane.must("config:get", "A", "B", "--app", shop).stdout == "1\ntwo words\n"
    assert "Rollback to v2" in control_plane.must("releases", "--app", shop).stdout


@pytest.fixture
def token(control_plane: ControlPlane) -> Iterator[str]:
    """A further token, made and revoked by the command line."""
    made = control_plane.must("authorizations:create", "--description", "for a test", "--json").json
    yield made["access_token"]["token"]
    control_plane.must("authorizations:revoke", made["id"])


def test_a_further_token_works_and_a_wrong_one_does_not(control_plane: ControlPlane, token: str) -> None:
    assert control_plane.typed("auth:whoami", token=token).exit_code == 0
    wrong = control_plane.typed("auth:whoami", token="changeover-nonsense")

    assert (wrong.exit_code, "Error ID: unauthorized" in wrong.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "error_id"),
    [
        (["apps:info", "nobody"], "not_found"),
        (["pg:info", "--app", "nobody"], "not_found"),
        (["spaces:info", "nowhere"], "not_found"),
        (["addons:info", "nothing"], "not_found"),
        (["runs:info", "999999"], "not_found"),
    ],
)
def test_what_is_not_there_has_one_id(control_plane: ControlPlane, words: list[str], error_id: str) -> None:
    ended = control_plane.typed(*words, "--json")

    assert (ended.exit_code, ended.json["id"]) == (1, error_id)


def test_a_run_shows_its_steps_and_its_journal(control_plane: ControlPlane, shop: str, leader: str) -> None:
    run = control_plane.must("runs", "--app", shop, "--json").json[0]
    shown = control_plane.must("runs:info", str(run["id"])).stdout

    assert f"provision {leader}" in shown
    assert "=== Steps" in shown
    assert "=== Journal" in shown


def test_an_app_lives_and_dies_by_the_command_line(control_plane: ControlPlane) -> None:
    name = unique("brief")
    assert control_plane.must("apps:create", name).stderr == f"Creating {name}... done\n"
    control_plane.must("access:add", "friend@example.com", "--app", name)
    assert "friend@example.com" in control_plane.must("access", "--app", name).stdout
    control_plane.must("apps:rename", f"{name}-2", "--app", name)
    control_plane.must("apps:destroy", f"{name}-2", "--confirm", f"{name}-2")

    assert name not in control_plane.must("apps", "--all").stdout


def test_the_catalogue_and_the_surroundings_can_be_seen(control_plane: ControlPlane) -> None:
    assert "~$2.083/hour" in control_plane.must("addons:plans", "heroku-postgresql").stdout
    assert "Private Spaces" in control_plane.must("regions").stdout
    assert "BEGIN CERTIFICATE" in control_plane.must("ca").stdout
    assert f"export CHANGEOVER_URL={control_plane.url}" in control_plane.must("env").stdout
