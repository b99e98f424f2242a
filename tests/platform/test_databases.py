"""A database from its making to its end, through the API, on real servers."""

from __future__ import annotations

import httpx2
import psycopg
import pytest
from tests.fix_control_plane import ControlPlane, connect, url_of, wait_until
from tests.fix_things import ESSENTIAL, PRIVATE, STANDARD, Things, rows_of, unique


def error_of(answer: httpx2.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["id"]


def create(api: httpx2.Client, app: str, plan: str = STANDARD, **body: object) -> httpx2.Response:
    return api.post(f"/apps/{app}/addons", json={"plan": {"name": plan}, "config": {}, "attachment": {}, **body})


def follower_of(things: Things, leader: str, app: str, plan: str = STANDARD) -> str:
    name: str = things.database(app, plan, follow=leader)["name"]
    return name


@pytest.fixture
def caught_up(things: Things) -> object:
    def wait(name: str) -> None:
        wait_until(lambda: rows_of(things.info(name))["Behind By"] == "0 commits", what=f"{name} to catch up")

    return wait


def test_a_database_answers_over_tls_at_the_url_in_its_config_var(control_plane: ControlPlane, things: Things) -> None:
    app = things.app()
    addon = things.database(app)

    url = url_of(control_plane, app)
    with connect(url) as database:
        assert database.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone() == (True,)
        assert database.execute("SELECT rolsuper, rolreplication FROM pg_roles WHERE rolname = current_user").fetchone() == (
            False, False,
        )  # fmt: skip
    assert addon["config_vars"] == ["DATABASE_URL"]
    assert url.startswith("postgres://")
    assert "localhost" not in url


def test_the_first_database_is_DATABASE_and_later_ones_have_a_colour(things: Things, api: httpx2.Client) -> None:  # noqa: N802
    app = things.app()
    things.database(app, ESSENTIAL)
    things.database(app, ESSENTIAL)

    names = [one["name"] for one in api.get(f"/apps/{app}/addon-attachments").json()]

    assert names[0] == "DATABASE"
    assert names[1].startswith("HEROKU_POSTGRESQL_")


def test_essential_databases_share_a_server_and_can_not_see_each_other(
    control_plane: ControlPlane, things: Things
) -> None:
    one, other = things.app(), things.app()
    things.database(one, ESSENTIAL)
    things.database(other, ESSENTIAL)
    mine, theirs = (url_of(control_plane, app) for app in (one, other))
    neighbour = mine.rpartition("/")[0] + "/" + theirs.rpartition("/")[2]

    assert mine.split("@")[1].split("/")[0] == theirs.split("@")[1].split("/")[0]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(neighbour)


def test_a_follower_has_its_leaders_rows_and_refuses_writes(
    control_plane: ControlPlane, things: Things, caught_up: object
) -> None:
    app = things.app()
    leader = things.database(app)["name"]
    with connect(url_of(control_plane, app)) as database:
        database.execute("CREATE TABLE orders AS SELECT generate_series(1, 1000) AS id")
    follower = follower_of(things, "DATABASE_URL", app)
    caught_up(follower)  # type: ignore[operator]

    info = things.info(follower)
    with connect(info["resource_url"]) as database:
        assert database.execute("SELECT count(*) FROM orders").fetchone() == (1000,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            database.execute("INSERT INTO orders VALUES (0)")
    assert info["following"] == things.info(leader)["resource_url"]
    assert info["leader"] == leader
    assert rows_of(info)["Fork/Follow"] == "Unavailable on followers"


def test_a_follower_never_becomes_DATABASE_even_where_that_is_free(things: Things, api: httpx2.Client) -> None:  # noqa: N802
    leader = things.database(things.app())["name"]
    elsewhere = things.app()

    follower_of(things, leader, elsewhere)

    [attachment] = api.get(f"/apps/{elsewhere}/addon-attachments").json()
    assert attachment["name"].startswith("HEROKU_POSTGRESQL_")


@pytest.mark.parametrize("form", ["name", "attachment", "config var", "app::NAME", "url"])
def test_the_leader_may_be_named_in_every_way(
    control_plane: ControlPlane, things: Things, api: httpx2.Client, form: str
) -> None:
    app = things.app()
    leader = things.database(app)["name"]
    named = {
        "name": leader, "attachment": "DATABASE", "config var": "DATABASE_URL", "app::NAME": f"{app}::DATABASE",
        "url": url_of(control_plane, app),
    }[form]  # fmt: skip

    made = create(api, app, config={"follow": named})

    assert made.status_code == 201
    assert "Use `heroku pg:wait` to track status" in made.json()["provision_message"]
    things.when_provisioned(made.json()["name"])
    assert things.info(made.json()["name"])["leader"] == leader


def test_unfollow_makes_a_follower_writable_and_leaves_nothing_on_the_leader(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    leader = things.database(app)["name"]
    follower = follower_of(things, leader, app)

    assert api.put(f"/client/v11/databases/{follower}/unfollow").json()["message"] == "unfollowed"

    info = things.info(follower)
    with connect(info["resource_url"]) as database:
        assert database.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
        database.execute("CREATE TABLE here (id int)")
    assert info["following"] is None
    assert rows_of(info)["Forked From"] == things.info(leader)["resource_url"].replace(
        things.info(leader)["resource_url"].split("//")[1].split("@")[0] + "@", ""
    )
    with connect(url_of(control_plane, app)) as database:
        slots = "SELECT count(*) FROM pg_replication_slots"
        assert database.execute(slots).fetchone() == (0,)


def test_the_leaders_other_followers_keep_following(things: Things, api: httpx2.Client, caught_up: object) -> None:
    app = things.app()
    leader = things.database(app)["name"]
    going, staying = follower_of(things, leader, app), follower_of(things, leader, app)

    api.put(f"/client/v11/databases/{going}/unfollow")

    caught_up(staying)  # type: ignore[operator]
    assert things.info(staying)["leader"] == leader


def test_promote_points_the_app_to_the_new_database_in_one_step(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    former = things.database(app)["name"]
    follower = follower_of(things, former, app)
    api.put(f"/client/v11/databases/{follower}/unfollow")

    promoted = api.post(f"/changeover/v1/apps/{app}/databases/{follower}/actions/promote", json={})

    assert promoted.status_code == 200, promoted.text
    assert url_of(control_plane, app) == things.info(follower)["resource_url"]
    assert url_of(control_plane, app, f"{promoted.json()['alias']}_URL") == things.info(former)["resource_url"]
    described = [one["description"] for one in api.get(f"/apps/{app}/releases").json()][-3:]
    assert described == [
        f"Attach {promoted.json()['alias']} (@ref:{former})", f"Detach DATABASE (@ref:{former})",
        f"Attach DATABASE (@ref:{follower})",
    ]  # fmt: skip


def test_promoting_a_follower_warns_that_the_app_can_not_write(control_plane: ControlPlane, things: Things) -> None:
    app = things.app()
    follower = follower_of(things, things.database(app)["name"], app)

    typed = control_plane.must("pg:promote", follower, "-a", app)

    assert "read-only" in typed.stderr


def test_an_existing_attachment_is_only_replaced_when_the_app_is_named(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)
    other = things.database(app, ESSENTIAL)["name"]
    wanted = {"addon": {"name": other}, "app": {"name": app}, "name": "DATABASE"}

    assert error_of(api.post("/addon-attachments", json=wanted)) == (423, "confirmation_required")
    assert error_of(api.post("/addon-attachments", json={**wanted, "confirm": "wrong"})) == (422, "confirmation_wrong")
    assert api.post("/addon-attachments", json={**wanted, "confirm": app}).json()["addon"]["name"] == other


def test_all_attachments_of_a_database_have_the_same_url(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app, other = things.app(), things.app()
    addon = things.database(app, ESSENTIAL)["name"]
    api.post("/addon-attachments", json={"addon": addon, "app": other, "name": "STORE"})

    assert url_of(control_plane, other, "STORE_URL") == url_of(control_plane, app)
    assert [one["addon"]["name"] for one in api.get(f"/apps/{other}/addon-attachments").json()] == [addon]


def test_the_owners_last_attachment_can_not_be_taken_off(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    things.database(app, ESSENTIAL)
    [attachment] = api.get(f"/apps/{app}/addon-attachments").json()

    assert error_of(api.delete(f"/addon-attachments/{attachment['id']}")) == (422, "invalid_params")


def test_destroying_a_database_removes_process_data_and_config_var(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    addon = things.database(app)
    url = url_of(control_plane, app)
    before = sorted(control_plane.home.glob("servers/*"))

    gone = api.request("DELETE", f"/apps/{app}/addons/{addon['name']}", json={"force": False})

    assert gone.json()["state"] == "deprovisioned"
    assert len(sorted(control_plane.home.glob("servers/*"))) == len(before) - 1
    assert api.get(f"/apps/{app}/config-vars").json() == {}
    assert api.get(f"/addons/{addon['name']}").status_code == 404
    with pytest.raises(psycopg.OperationalError, match="refused"):
        connect(url)


def test_a_leader_with_followers_goes_only_by_force_and_frees_them(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    leader = things.database(app)["name"]
    follower = follower_of(things, leader, app)

    refused = api.request("DELETE", f"/apps/{app}/addons/{leader}", json={})
    assert error_of(refused) == (422, "has_followers")
    assert follower in refused.json()["what"]

    api.request("DELETE", f"/apps/{app}/addons/{leader}", json={"force": True})
    with connect(things.info(follower)["resource_url"]) as database:
        database.execute("CREATE TABLE mine (id int)")


def test_a_database_attached_elsewhere_names_the_lines_that_detach_it(things: Things, api: httpx2.Client) -> None:
    app, other = things.app(), things.app()
    addon = things.database(app, ESSENTIAL)["name"]
    api.post("/addon-attachments", json={"addon": addon, "app": other, "name": "STORE"})

    refused = api.request("DELETE", f"/apps/{app}/addons/{addon}", json={})

    assert error_of(refused) == (422, "attached_elsewhere")
    assert f"changeover addons:detach STORE -a {other}" in refused.json()["fix"]
    assert error_of(api.delete(f"/apps/{app}")) == (422, "attached_elsewhere")


def test_destroying_an_app_takes_its_leader_and_followers_with_it(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    follower_of(things, things.database(app)["name"], app)
    before = len(list(control_plane.home.glob("servers/*")))

    assert api.delete(f"/apps/{app}").status_code == 200

    assert len(list(control_plane.home.glob("servers/*"))) == before - 2
    assert api.get(f"/apps/{app}").status_code == 404


def test_a_private_plan_is_only_for_apps_in_a_space(things: Things, api: httpx2.Client) -> None:
    refused = create(api, things.app(), PRIVATE)

    assert error_of(refused) == (422, "invalid_params")
    assert "only available in private spaces" in refused.json()["what"]


def test_a_spaces_databases_have_an_address_of_their_own(control_plane: ControlPlane, things: Things) -> None:
    app = things.app(space=things.space())

    things.database(app, PRIVATE)

    assert url_of(control_plane, app).split("@")[1].startswith("127.64.")


def test_a_credential_is_shown_with_its_address(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app = things.app()
    addon = things.database(app, ESSENTIAL)["name"]

    found = api.get(f"/postgres/v0/databases/{addon}/credentials/default").json()

    [credential] = found["credentials"]
    assert url_of(control_plane, app) == (
        f"postgres://{credential['user']}:{credential['password']}@{found['host']}:{found['port']}/{found['database']}"
    )
    assert credential["state"] == "active"


def test_an_add_on_is_renamed_and_keeps_working(
    control_plane: ControlPlane, things: Things, api: httpx2.Client
) -> None:
    app, name = things.app(), unique("postgresql")
    addon = things.database(app, ESSENTIAL)["name"]

    api.patch(f"/apps/{app}/addons/{addon}", json={"name": name})

    assert things.info(name)["resource_url"] == url_of(control_plane, app)


def test_while_a_database_is_made_its_info_is_a_404_without_a_message(things: Things, api: httpx2.Client) -> None:
    app = things.app()
    made = create(api, app).json()["name"]

    first = api.get(f"/client/v11/databases/{made}")
    waiting = api.get(f"/client/v11/databases/{made}/wait_status").json()

    assert first.status_code in (404, 200)
    assert first.status_code == 200 or "message" not in first.json()
    assert waiting["waiting?"] in (True, False)
    things.when_provisioned(made)
    assert api.get(f"/client/v11/databases/{made}/wait_status").json() == {"waiting?": False, "message": "available"}


def test_killall_ends_every_session_of_the_database(control_plane: ControlPlane, things: Things) -> None:
    app = things.app()
    things.database(app)
    with connect(url_of(control_plane, app)) as database:
        control_plane.must("pg:killall", "-a", app)

        with pytest.raises(psycopg.OperationalError):
            database.execute("SELECT 1")
