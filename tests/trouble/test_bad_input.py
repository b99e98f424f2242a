"""Wrong wishes: each is refused with its reason, and leaves everything as it was."""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest
from tests.fix_control_plane import ControlPlane, running_plane, url_of
from tests.fix_things import ESSENTIAL, STANDARD, Things
from tests.trouble.inventory import take_inventory


@dataclass
class Ground:
    """Names that the cases below speak of."""

    plane: ControlPlane
    words: dict[str, str]
    other_token: str

    def fill(self, text: str) -> str:
        return text.format(**self.words)


@pytest.fixture(scope="module")
def ground(module_plane: ControlPlane) -> Ground:
    with module_plane.client() as api:
        things = Things(module_plane, api)
        app, small, space = things.app(), things.app(), things.space()
        leader = things.database(app, STANDARD)["name"]
        follower = things.database(app, STANDARD, follow=leader)["name"]
        words = {
            "app": app, "small": small, "space": space, "leader": leader, "follower": follower,
            "essential": things.database(small, ESSENTIAL)["name"],
            "theirs": things.app(),
            "foreign_url": "postgres://someone:secret@203.0.113.7:5432/orders",
        }  # fmt: skip
        return Ground(module_plane, words, things.token_for("dev@example.org"))


def with_json(command: str) -> list[str]:
    name, *rest = command.split()
    return [name, "--json", *rest]


FOLLOW = "addons:create heroku-postgresql:standard-0 -a {app} -- --follow "
CASES = {
    "unknown app": ("pg:info -a nowhere-at-all", "not_found"),
    "unknown database": ("pg:info nothing-like-it -a {app}", "not_found"),
    "unknown plan": ("addons:create heroku-postgresql:galactic-9 -a {app}", "not_found"),
    "unknown service": ("addons:create heroku-mongo:standard-0 -a {app}", "not_found"),
    "unknown space": ("apps:create some-new-app --space nowhere", "not_found"),
    "unknown region": ("apps:create some-new-app --region atlantis", "invalid_params"),
    "unknown leader": (FOLLOW + "nothing-like-it", "not_found"),
    "app's name taken": ("apps:create {app}", "name_taken"),
    "space's name taken": ("spaces:create {space} --team another-team", "name_taken"),
    "database's name taken": ("addons:create " + STANDARD + " -a {app} --name {leader}", "name_taken"),
    "attachment's name taken": ("addons:attach {leader} -a {app} --as DATABASE --confirm wrong", "confirmation_wrong"),
    "impossible app name": ("apps:create Not_A_Name", "invalid_params"),
    "private plan outside a space": ("addons:create heroku-postgresql:private-4 -a {app}", "invalid_params"),
    "following an Essential database": (FOLLOW + "{essential}", "not_followable"),
    "an Essential follower": ("addons:create " + ESSENTIAL + " -a {app} -- --follow {leader}", "not_followable"),
    "following a follower": (FOLLOW + "{follower}", "not_followable"),
    "following a URL that isn't ours": (FOLLOW + "{foreign_url}", "foreign_leader"),
    "a wish that nobody knows": ("addons:create " + STANDARD + " -a {app} -- --sparkle yes", "invalid_params"),
    "a wish without its value": ("addons:create " + STANDARD + " -a {app} -- --follow", "invalid_params"),
    "unfollow of what is no follower": ("pg:unfollow {leader} -a {app} --confirm {app}", "not_a_follower"),
    "promote of what is promoted already": ("pg:promote {leader} -a {app}", "already_promoted"),
    "unfollow with the wrong confirmation": ("pg:unfollow {follower} -a {app} --confirm other", "confirmation_wrong"),
    "destroy with the wrong confirmation": ("addons:destroy {follower} -a {app} --confirm other", "confirmation_wrong"),
    "destroy without a confirmation": ("addons:destroy {follower} -a {app}", "confirmation_required"),
    "destroy of a leader with followers": ("addons:destroy {leader} -a {app} --confirm {app}", "has_followers"),
    "space with a network that is none": ("spaces:create other --team some-team --cidr 10.0.0.0/99", "invalid_params"),
    "config var of an attachment": ("config:set DATABASE_URL=x -a {app}", "invalid_params"),
    "rollback to a release that never was": ("releases:rollback v99 -a {app}", "not_found"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_wish_is_refused_and_leaves_everything_as_it_was(ground: Ground, case: str) -> None:
    command, error_id = CASES[case]
    before = take_inventory(ground.plane)

    typed = ground.plane.typed(*with_json(ground.fill(command)))

    error = typed.json
    assert (typed.exit_code, error["id"]) == (2 if "confirmation" in error_id else 1, error_id), typed.everything
    assert error["what"]
    assert take_inventory(ground.plane) == before
    assert "secret" not in typed.everything


@pytest.mark.parametrize(
    "command", ["pg:info -a {theirs}", "addons:create " + STANDARD + " -a {theirs}", "apps:destroy {theirs} --confirm {theirs}",
                "pg:info {leader} -a {theirs}", "access:add me@example.org -a {theirs}"]
)  # fmt: skip
def test_somebody_elses_app_is_closed(ground: Ground, command: str) -> None:
    before = take_inventory(ground.plane)

    typed = ground.plane.typed(*with_json(ground.fill(command)), token=ground.other_token)

    assert (typed.exit_code, typed.json["id"]) == (1, "forbidden")
    assert take_inventory(ground.plane) == before


def test_a_wrong_token_opens_nothing(ground: Ground) -> None:
    typed = ground.plane.typed("apps", token="changeover-wrong")

    assert typed.exit_code == 1
    assert "Invalid credentials" in typed.stderr


def test_the_message_says_what_why_and_what_to_do(ground: Ground) -> None:
    typed = ground.plane.typed(*ground.fill(FOLLOW + "{follower}").split())

    follower, app = ground.words["follower"], ground.words["app"]
    assert f"{follower} can't be followed." in typed.stderr
    assert "It is a follower itself, and followers can't be chained." in typed.stderr
    assert "Follow its leader instead." in typed.stderr
    assert typed.stdout.count(app) <= 1


@pytest.mark.long
def test_a_full_host_takes_no_further_database() -> None:
    for plane in running_plane(CHANGEOVER_MAX_DATABASES="1"):
        with plane.client() as api:
            things = Things(plane, api)
            app = things.app()
            things.database(app)
            before = take_inventory(plane)

            typed = plane.typed("addons:create", "--json", STANDARD, "-a", app)

            assert (typed.exit_code, typed.json["id"]) == (1, "host_full")
            assert "CHANGEOVER_MAX_DATABASES" in typed.json["why"]
            assert take_inventory(plane) == before


def test_a_control_plane_does_not_start_on_a_port_that_is_taken(own_plane: ControlPlane) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        own_plane.stop()

        typed = own_plane.typed("server", "--listen", f"127.0.0.1:{port}")

    assert typed.exit_code == 1
    assert f"can't listen on 127.0.0.1:{port}" in typed.stderr
    own_plane.start()


def test_a_second_control_plane_over_the_same_home_is_refused(own_plane: ControlPlane) -> None:
    typed = own_plane.typed("server", "--listen", "127.0.0.1:0")

    assert typed.exit_code == 1
    assert "already runs" in typed.stderr
    assert own_plane.healthy()


def test_listening_beyond_loopback_needs_a_certificate(own_plane: ControlPlane) -> None:
    own_plane.stop()

    typed = own_plane.typed("server", "--listen", "0.0.0.0:0")

    assert typed.exit_code != 0
    assert "--tls-cert" in typed.stderr
    own_plane.start()


def test_the_same_request_twice_at_once_is_done_once(ground: Ground) -> None:
    """Two unfollows of one follower, sent together: one run, and the other is told or waits with it."""
    from concurrent.futures import ThreadPoolExecutor

    app, leader = ground.words["app"], ground.words["leader"]
    with ground.plane.client() as api:
        twin = Things(ground.plane, api).database(app, STANDARD, follow=leader)["name"]

        def unfollow(_number: int) -> int:
            with ground.plane.client() as client:
                return client.put(f"/client/v11/databases/{twin}/unfollow").status_code

        with ThreadPoolExecutor(2) as threads:
            answers = sorted(threads.map(unfollow, range(2)))

        runs = [
            run for run in api.get("/changeover/v1/runs").json() if (run["subject"], run["kind"]) == (twin, "unfollow")
        ]
        assert answers in ([200, 409], [200, 422])
        assert [run["status"] for run in runs] == ["done"]
        assert url_of(ground.plane, app)
