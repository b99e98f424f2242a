"""Who sees and stops a run: rights go by the id of its app and account, never by a name that another account can take."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx2
import psycopg
import pytest
from psycopg import sql
from tests.fix_control_plane import ControlPlane
from tests.fix_things import unique

ELSEWHERE = "a-host-that-nobody-serves"
V1 = "/changeover/v1"
OF_APPS = ("run", "changeover", "transfer")
OF_ACCOUNTS = ("migration", "verification")


class Person:
    """An account of its own, with an app."""

    def __init__(self, plane: ControlPlane, operator: httpx2.Client) -> None:
        self.email = f"{unique('anna')}@example.com"
        made = operator.post("/oauth/authorizations", json={"description": "test", "user": self.email}).json()
        self.api = plane.client(made["access_token"]["token"])
        self.id = self.api.get("/account").json()["id"]
        self.app = self.take(unique("shop"))

    def take(self, name: str) -> dict[str, str]:
        made = self.api.post("/apps", json={"name": name})
        assert made.status_code == 201, made.text
        app: dict[str, str] = made.json()
        return app


@pytest.fixture
def owner(control_plane: ControlPlane, api: httpx2.Client) -> Iterator[Person]:
    yield (person := Person(control_plane, api))
    person.api.delete(f"/apps/{person.app['id']}")
    person.api.close()


@pytest.fixture
def stranger(control_plane: ControlPlane, api: httpx2.Client) -> Iterator[Person]:
    yield (person := Person(control_plane, api))
    person.api.delete(f"/apps/{person.app['id']}")
    person.api.close()


@pytest.fixture
def state(control_plane: ControlPlane) -> Iterator[psycopg.Connection]:
    with control_plane.state() as db:
        yield db
        db.execute(
            "UPDATE runs SET status = 'failed', finished_at = now() WHERE host = %s AND finished_at IS NULL",
            [ELSEWHERE],
        )


def begin(state: psycopg.Connection, owner: Person, kind: str) -> tuple[str, str]:
    """A run of that kind in the middle of its work; where it is shown, and where it is stopped."""
    kinds = {
        "run": "dynos",
        "changeover": "changeover",
        "transfer": "backup",
        "migration": "migrate",
        "verification": "verify",
    }
    steps = {"run": "apply", "changeover": "ready", "transfer": "dump", "migration": "check", "verification": "compare"}
    app = owner.app if kind in OF_APPS else {"name": None, "id": None}
    [run] = state.execute(
        "INSERT INTO runs (kind, subject, app, app_id, account_id, host, input, status, step)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, 'running', %s) RETURNING id",
        [kinds[kind], unique("thing"), app["name"], app["id"], owner.id, ELSEWHERE,
         json.dumps({"account_id": owner.id}), steps[kind]],
    ).fetchone() or [0]  # fmt: skip
    if kind == "changeover":
        state.execute(
            "INSERT INTO changeovers (run_id, source_id, source_name, target_app_id, hold, prediction)"
            " VALUES (%s, gen_random_uuid(), 'source', %s, 'maintenance', '{}')", [run, app["id"]],
        )  # fmt: skip
        return f"{V1}/changeovers/{run}", f"{V1}/changeovers/{run}/actions/abort"
    if kind in OF_ACCOUNTS:
        columns = {"mark": unique("mark"), "wish": "{}"} if kind == "migration" else {"is_quick": True}
        state.execute(
            sql.SQL(
                "INSERT INTO {} (run_id, source_url, target_url, source_name, target_name, {})"
                " VALUES (%s, '', '', 'a', 'b', {})"
            ).format(
                sql.Identifier(f"{kind}s"), sql.SQL(", ").join(map(sql.Identifier, columns)),
                sql.SQL(", ").join(map(sql.Literal, columns.values())),
            ), [run],
        )  # fmt: skip
        return f"{V1}/{kind}s/{run}", f"{V1}/{kind}s/{run}/actions/abort"
    if kind == "transfer":
        [number] = state.execute(
            "INSERT INTO transfers (app_id, number, kind, run_id, from_name, to_name)"
            " VALUES (%s, 900, 'backup', %s, 'DATABASE', 'BACKUP') RETURNING number", [app["id"], run],
        ).fetchone() or [0]  # fmt: skip
        path = f"/client/v11/apps/{{app}}/transfers/{number}"
        return path, f"{path}/actions/cancel"
    return f"{V1}/runs/{run}", ""


def refuses_everything(person: Person, taken: str, shown: str, stopped: str, kind: str) -> None:
    """Not shown, not listed, not stopped, not let go: exactly as if it did not exist."""
    assert person.api.get(shown.format(app=taken)).status_code == 404
    if stopped:
        assert person.api.post(stopped.format(app=taken)).status_code == 404
    if kind == "changeover":
        assert person.api.post(stopped.replace("abort", "cut-over"), json={}).status_code == 404
    assert person.api.get(f"{V1}/runs").json() == []
    assert person.api.get(f"{V1}/runs", params={"app": taken}).json() == []
    assert person.api.get(f"{V1}/changeovers").json() == []
    assert person.api.get(f"{V1}/migrations").json() == []


@pytest.mark.parametrize("kind", OF_APPS)
def test_who_takes_over_the_name_of_a_renamed_app_gets_none_of_its_runs(
    kind: str, owner: Person, stranger: Person, state: psycopg.Connection
) -> None:
    shown, stopped = begin(state, owner, kind)
    former = owner.app["name"]
    assert owner.api.patch(f"/apps/{former}", json={"name": unique("moved")}).status_code == 200
    stranger.api.delete(f"/apps/{stranger.app['id']}")
    stranger.app = stranger.take(former)

    refuses_everything(stranger, former, shown, stopped, kind)
    assert owner.api.get(shown.format(app=owner.app["id"])).status_code == 200
    if stopped and kind != "run":
        assert owner.api.post(stopped.format(app=owner.app["id"])).status_code in (200, 202)


@pytest.mark.parametrize("kind", OF_APPS)
def test_who_takes_over_the_name_of_a_destroyed_app_gets_none_of_its_runs(
    kind: str, owner: Person, stranger: Person, state: psycopg.Connection
) -> None:
    shown, stopped = begin(state, owner, kind)
    former = owner.app["name"]
    assert owner.api.delete(f"/apps/{former}").status_code == 200
    stranger.api.delete(f"/apps/{stranger.app['id']}")
    stranger.app = stranger.take(former)

    refuses_everything(stranger, former, shown, stopped, kind)
    if kind != "transfer":
        assert owner.api.get(shown).status_code == 200, "the account that began it still reads how it went"


@pytest.mark.parametrize("kind", OF_ACCOUNTS)
def test_a_run_without_an_app_belongs_to_the_account_that_began_it(
    kind: str, owner: Person, stranger: Person, state: psycopg.Connection
) -> None:
    shown, stopped = begin(state, owner, kind)
    former = owner.app["name"]
    assert owner.api.delete(f"/apps/{former}").status_code == 200
    stranger.api.delete(f"/apps/{stranger.app['id']}")
    stranger.app = stranger.take(former)

    refuses_everything(stranger, former, shown, stopped, kind)
    assert owner.api.get(shown).status_code == 200
    assert owner.api.get(f"{V1}/runs").json()[0]["kind"] in ("migrate", "verify")


def test_a_removed_collaborator_no_longer_sees_the_runs_that_it_began(
    owner: Person, stranger: Person, state: psycopg.Connection
) -> None:
    app = owner.app["id"]
    owner.api.post(f"/apps/{app}/collaborators", json={"user": stranger.email})
    shown, stopped = begin(state, owner, "changeover")
    state.execute("UPDATE runs SET account_id = %s WHERE app_id = %s", [stranger.id, app])
    assert stranger.api.get(shown).status_code == 200

    owner.api.delete(f"/apps/{app}/collaborators/{stranger.email}")

    assert stranger.api.get(shown).status_code == 404
    assert stranger.api.post(stopped).status_code == 404


def test_a_run_that_the_previous_version_adds_gets_its_app_and_account_by_id(
    owner: Person, state: psycopg.Connection
) -> None:
    subject = unique("thing")
    state.execute(
        "INSERT INTO public.runs (kind, subject, app, host, input, status, step)"
        " VALUES ('dynos', %s, %s, %s, '{}', 'running', 'apply')", [subject, owner.app["name"], ELSEWHERE],
    )  # fmt: skip
    added = state.execute("SELECT app_id::text, account_id::text FROM runs WHERE subject = %s", [subject]).fetchone()

    assert added == (owner.app["id"], owner.id)
