"""Every Platform response is what the official schema says."""

from __future__ import annotations

import httpx2
import pytest
from tests.fix_things import ESSENTIAL, PRIVATE, STANDARD, Things
from tests.platform_schema import assert_platform


def test_an_app_is_an_app_wherever_it_is_shown(api: httpx2.Client, things: Things) -> None:
    app = things.app()

    assert_platform("app", api.get(f"/apps/{app}").json())
    assert_platform("app", api.get("/apps").json())
    assert_platform("app", api.get("/users/~/apps").json())
    assert_platform("team-app", api.get(f"/teams/apps/{app}").json())


def test_a_space_and_its_apps_follow_the_schema(api: httpx2.Client, things: Things) -> None:
    space = things.space()
    app = things.app(space=space)

    assert_platform("space", api.get(f"/spaces/{space}").json())
    assert_platform("space", api.get("/spaces").json())
    assert_platform("space-nat", api.get(f"/spaces/{space}/nat").json())
    assert api.get(f"/apps/{app}").json()["space"]["name"] == space
    assert_platform("team", api.get("/teams").json())


def test_an_add_on_its_attachments_and_releases_follow_the_schema(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    addon = things.database(app, ESSENTIAL)

    assert_platform("add-on", addon)
    assert_platform("add-on", api.get(f"/apps/{app}/addons").json())
    attachments = api.get(f"/apps/{app}/addon-attachments").json()
    for attachment in attachments:
        del attachment["config_vars"], attachment["addon"]["plan"]  # what Accept-Inclusion adds
    assert_platform("add-on-attachment", attachments)
    assert_platform("release", api.get(f"/apps/{app}/releases").json())


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/account", "account"),
        ("/regions", "region"),
        ("/addon-services", "add-on-service"),
        ("/addon-services/heroku-postgresql", "add-on-service"),
        ("/addon-services/heroku-postgresql/plans", "plan"),
        ("/oauth/authorizations", "oauth-authorization"),
    ],
)
def test_what_can_be_listed_follows_the_schema(api: httpx2.Client, path: str, resource: str) -> None:
    answer = api.get(path)

    assert answer.json() != []
    assert_platform(resource, answer.json())


def test_collaborators_follow_the_schema(api: httpx2.Client, things: Things) -> None:
    app = things.app()
    api.post(f"/apps/{app}/collaborators", json={"user": "dev@example.org"})

    found = api.get(f"/apps/{app}/collaborators").json()

    assert [one["user"]["email"] for one in found] == ["operator@changeover.local", "dev@example.org"]
    assert_platform("collaborator", found[1])


def test_the_plans_have_the_names_and_prices_of_the_catalogue(api: httpx2.Client) -> None:
    plans = {plan["name"]: plan for plan in api.get("/addon-services/heroku-postgresql/plans").json()}

    assert plans[PRIVATE]["price"]["cents"] == 150_000
    assert plans[STANDARD]["price"]["cents"] == 5_000
    assert plans["heroku-postgresql:private-5"]["description"].endswith("(price estimated)")
    assert not plans[PRIVATE]["installable_outside_private_network"]
