"""Apps, spaces and databases on the shared control plane, each with a name of its own and gone after the test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane, wait_until

STANDARD, ESSENTIAL, PRIVATE = (f"heroku-postgresql:{plan}" for plan in ("standard-0", "essential-0", "private-4"))


def unique(word: str) -> str:
    return f"{word}-{secrets.token_hex(4)}"


@dataclass
class Things:
    """Makes what a test needs by the API, and takes it away again."""

    plane: ControlPlane
    api: httpx2.Client

    def app(self, **fields: Any) -> str:
        made = self.api.post("/teams/apps" if "space" in fields else "/apps", json={"name": unique("shop"), **fields})
        assert made.status_code == 201, made.text
        name: str = made.json()["name"]
        return name

    def space(self, **fields: Any) -> str:
        made = self.api.post("/spaces", json={"name": unique("acme"), "team": unique("team"), **fields})
        assert made.status_code == 201, made.text
        name: str = made.json()["name"]
        return name

    def database(self, app: str, plan: str = STANDARD, **config: str) -> dict[str, Any]:
        """A database that is available."""
        made = self.api.post(f"/apps/{app}/addons", json={"plan": {"name": plan}, "config": config, "attachment": {}})
        assert made.status_code == 201, made.text
        return self.when_provisioned(made.json()["name"])

    def when_provisioned(self, name: str, *, timeout_s: float = 60) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            answer = self.api.get(f"/addons/{name}")
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found if found["state"] == "provisioned" else None

        found: dict[str, Any] = wait_until(look, what=f"{name} to be provisioned", timeout_s=timeout_s)
        return found

    def info(self, name: str) -> dict[str, Any]:
        answer = self.api.get(f"/client/v11/databases/{name}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def token_for(self, email: str) -> str:
        """Of another account."""
        made = self.api.post("/oauth/authorizations", json={"description": "for a test", "user": email})
        assert made.status_code == 201, made.text
        token: str = made.json()["access_token"]["token"]
        return token

    def remove_all(self) -> None:
        """Followers, then leaders, then apps and spaces: whatever is there."""
        databases = self.api.get("/addons").json()
        follows = {one["name"]: self.api.get(f"/client/v11/databases/{one['name']}") for one in databases}
        order = sorted(databases, key=lambda one: not (follows[one["name"]].status_code == 200
                                                       and follows[one["name"]].json()["following"]))  # fmt: skip
        for addon in order:
            self.api.request("DELETE", f"/apps/{addon['app']['id']}/addons/{addon['id']}", json={"force": True})
        for app in self.api.get("/apps").json():
            self.api.delete(f"/apps/{app['id']}")
        for space in self.api.get("/spaces").json():
            self.api.delete(f"/spaces/{space['id']}")


@pytest.fixture
def things(control_plane: ControlPlane, api: httpx2.Client) -> Iterator[Things]:
    made = Things(control_plane, api)
    yield made
    made.remove_all()


Rows = dict[str, str]


def rows_of(info: dict[str, Any]) -> Rows:
    """`pg:info` rows by name, as one text each."""
    return {row["name"]: ", ".join(row["values"]) for row in info["info"]}
