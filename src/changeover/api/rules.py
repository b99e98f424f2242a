"""The requirements of each route: token scope, permission on the app, role in the team. A route without a rule is not served.

A line is `METHOD path: token, permission on the app, role in the team`. If a handler looks up several apps or add-ons,
the requirement applies to each of them. `docs/rights.md` has the same table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request

from changeover.platform.needs import AppNeed, Needs, TeamNeed, TokenNeed

Key = tuple[str, str]

I, R, RP, W, WP, G = TokenNeed  # noqa: E741 - the table's columns; it is read as a table
VIEW, DEPLOY, CONFIG, OPERATE, MANAGE, OWN = AppNeed
ANY, VIEWER, MEMBER, ADMIN = TeamNeed

PUBLIC: Mapping[Key, str] = {
    ("GET", "/healthz"): "only reports whether this installation works",
    ("GET", "/changeover/v1/logs/{key}"): "its URL is the secret: encrypted, valid for an hour",
    ("GET", "/changeover/v1/release-output/{key}"): "its URL is the secret: encrypted",
    ("GET", "/changeover/v1/backups/signed/{key}"): "its URL is the secret: encrypted, valid for an hour",
}
"""Served without a token, with the reason."""

_V11, _OURS = "/client/v11", "/changeover/v1"
_APP, _DB, _TRANSFERS = "/apps/{app}", _V11 + "/databases/{key}", _V11 + "/apps/{app}/transfers"

_ACCOUNT: Mapping[Key, Needs] = {
    ("GET", "/account"): Needs(I),
    ("GET", "/account/features"): Needs(I),
    ("GET", "/account/features/{name}"): Needs(I),
    ("GET", "/account/keys"): Needs(I),
    ("GET", "/oauth/authorizations"): Needs(G),
    ("POST", "/oauth/authorizations"): Needs(G),
    ("GET", "/oauth/authorizations/{id_}"): Needs(G),
    ("PATCH", "/oauth/authorizations/{id_}"): Needs(G),
    ("DELETE", "/oauth/authorizations/{id_}"): Needs(G),
    ("POST", "/oauth/authorizations/{id_}/actions/regenerate-tokens"): Needs(G),
    ("GET", "/oauth/sessions"): Needs(G),
    ("DELETE", "/oauth/sessions/{id_}"): Needs(G),
}

_CATALOGUE: Mapping[Key, Needs] = {
    ("GET", "/addon-services"): Needs(R),
    ("GET", "/addon-services/{key}"): Needs(R),
    ("GET", "/addon-services/{key}/plans"): Needs(R),
    ("GET", "/regions"): Needs(R),
    ("GET", "/regions/{key}"): Needs(R),
    ("GET", "/stacks"): Needs(R),
    ("GET", "/dyno-sizes"): Needs(R),
    ("GET", "/teams/permissions"): Needs(R),
    ("GET", _OURS + "/ca"): Needs(R),
    ("GET", _OURS + "/openapi.json"): Needs(I),
}

_TEAMS: Mapping[Key, Needs] = {
    ("GET", "/teams"): Needs(R),
    ("POST", "/teams"): Needs(G, team=ANY),
    ("GET", "/teams/{key}"): Needs(R, team=ANY),
    ("GET", "/teams/{key}/features"): Needs(R, team=ANY),
    ("GET", "/teams/{key}/members"): Needs(R, team=VIEWER),
    ("PUT", "/teams/{key}/members"): Needs(G, team=ADMIN),
    ("PATCH", "/teams/{key}/members"): Needs(G, team=ADMIN),
    ("DELETE", "/teams/{key}/members/{email}"): Needs(G, team=ADMIN),
    ("GET", "/teams/{key}/apps"): Needs(R, VIEW, ANY),
    ("GET", "/spaces"): Needs(R),
    ("POST", "/spaces"): Needs(W, team=ADMIN),
    ("GET", "/spaces/{key}"): Needs(R, team=VIEWER),
    ("PATCH", "/spaces/{key}"): Needs(W, team=ADMIN),
    ("DELETE", "/spaces/{key}"): Needs(W, team=ADMIN),
    ("GET", "/spaces/{key}/nat"): Needs(R, team=VIEWER),
    ("GET", "/spaces/{key}/dynos"): Needs(R, VIEW, VIEWER),
}

_APPS: Mapping[Key, Needs] = {
    ("GET", "/apps"): Needs(R),
    ("GET", "/users/{user}/apps"): Needs(R),
    ("POST", "/apps"): Needs(W, VIEW, MEMBER),
    ("POST", "/teams/apps"): Needs(W, VIEW, MEMBER),
    ("GET", "/apps/{key}"): Needs(R, VIEW),
    ("GET", "/teams/apps/{key}"): Needs(R, VIEW),
    ("PATCH", "/apps/{key}"): Needs(W, OPERATE, note="`name`: own"),
    ("PATCH", "/teams/apps/{key}"): Needs(G, MANAGE, note="`owner`: own"),
    ("DELETE", "/apps/{key}"): Needs(W, OWN),
    ("POST", "/account/app-transfers"): Needs(G, OWN),
    ("GET", "/apps/{key}/pipeline-couplings"): Needs(R, VIEW),
    ("GET", "/apps/{key}/features"): Needs(R, VIEW),
    ("GET", "/apps/{key}/buildpack-installations"): Needs(R, VIEW),
    ("GET", _APP + "/collaborators"): Needs(R, VIEW),
    ("GET", "/teams/apps/{app}/collaborators"): Needs(R, VIEW),
    ("POST", _APP + "/collaborators"): Needs(G, MANAGE, note="to add oneself: view"),
    ("POST", "/teams/apps/{app}/collaborators"): Needs(G, MANAGE, note="to add oneself: view"),
    ("PATCH", "/teams/apps/{app}/collaborators/{user}"): Needs(G, MANAGE),
    ("DELETE", _APP + "/collaborators/{user}"): Needs(G, MANAGE, note="to remove oneself: view"),
    ("GET", _APP + "/config-vars"): Needs(RP, CONFIG),
    ("PATCH", _APP + "/config-vars"): Needs(WP, CONFIG),
    ("GET", _APP + "/releases"): Needs(R, VIEW),
    ("GET", _APP + "/releases/{key}"): Needs(R, VIEW),
    ("GET", _APP + "/releases/{release}/config-vars"): Needs(RP, CONFIG),
    ("POST", _APP + "/releases"): Needs(WP, CONFIG),
    ("POST", _OURS + "/apps/{app}/deploys"): Needs(WP, DEPLOY),
    ("GET", _APP + "/formation"): Needs(R, VIEW),
    ("PATCH", _APP + "/formation"): Needs(W, OPERATE),
    ("PATCH", _APP + "/formation/{type_}"): Needs(W, OPERATE),
    ("GET", _APP + "/dynos"): Needs(R, VIEW),
    ("GET", _APP + "/dynos/{name}"): Needs(R, VIEW),
    ("POST", _APP + "/dynos"): Needs(WP, CONFIG),
    ("DELETE", _APP + "/dynos"): Needs(W, OPERATE),
    ("DELETE", _APP + "/dynos/{name}"): Needs(W, OPERATE),
    ("DELETE", _APP + "/formations/{name}"): Needs(W, OPERATE),
    ("POST", _APP + "/dynos/{name}/actions/stop"): Needs(W, OPERATE),
    ("POST", _APP + "/formations/{name}/actions/stop"): Needs(W, OPERATE),
    ("POST", _APP + "/log-sessions"): Needs(R, VIEW),
    ("GET", _OURS + "/apps/{app}/scheduler"): Needs(R, VIEW),
    ("POST", _OURS + "/apps/{app}/scheduler/jobs"): Needs(WP, OPERATE),
    ("DELETE", _OURS + "/apps/{app}/scheduler/jobs/{job}"): Needs(W, OPERATE),
    ("POST", _OURS + "/apps/{app}/scheduler/jobs/{job}/actions/run"): Needs(W, OPERATE),
    ("POST", _OURS + "/apps/{app}/scheduler/actions/hold"): Needs(W, OPERATE),
    ("POST", _OURS + "/apps/{app}/scheduler/actions/resume"): Needs(W, OPERATE),
}

_ADDONS: Mapping[Key, Needs] = {
    ("GET", "/addons"): Needs(R, VIEW),
    ("GET", _APP + "/addons"): Needs(R, VIEW),
    ("GET", _APP + "/addons/{key}"): Needs(R, VIEW),
    ("GET", "/addons/{key}"): Needs(R, VIEW),
    ("POST", "/actions/addons/resolve"): Needs(R, VIEW),
    ("GET", "/addons/{key}/config/{namespace}"): Needs(R, VIEW),
    ("POST", _APP + "/addons"): Needs(W, OPERATE),
    ("PATCH", _APP + "/addons/{key}"): Needs(W, OPERATE),
    ("DELETE", _APP + "/addons/{key}"): Needs(W, OPERATE),
    ("GET", "/addon-attachments"): Needs(R, VIEW),
    ("GET", "/addon-attachments/{key}"): Needs(R, VIEW),
    ("GET", _APP + "/addon-attachments"): Needs(R, VIEW),
    ("GET", _APP + "/addon-attachments/{key}"): Needs(R, VIEW),
    ("GET", "/addons/{key}/addon-attachments"): Needs(R, VIEW),
    ("POST", "/actions/addon-attachments/resolve"): Needs(R, VIEW),
    ("POST", "/addon-attachments"): Needs(W, OPERATE),
    ("DELETE", "/addon-attachments/{key}"): Needs(W, OPERATE),
}

_DATABASES: Mapping[Key, Needs] = {
    ("GET", _DB): Needs(R, VIEW, note="its password: deploy or operate, read-protected"),
    ("GET", _DB + "/wait_status"): Needs(R, VIEW),
    ("GET", _DB + "/bastion"): Needs(R, VIEW),
    ("PUT", _DB + "/unfollow"): Needs(W, OPERATE),
    ("POST", _DB + "/connection_reset"): Needs(W, OPERATE),
    ("POST", _DB + "/connection-pooling"): Needs(W, OPERATE),
    ("GET", "/postgres/v0/databases/{key}/credentials"): Needs(RP, CONFIG),
    ("GET", "/postgres/v0/databases/{key}/credentials/{name}"): Needs(RP, CONFIG),
    ("POST", _OURS + "/apps/{app}/adopted-databases"): Needs(WP, OPERATE),
    ("POST", _OURS + "/apps/{app}/databases/{database}/actions/promote"): Needs(W, OPERATE),
    ("GET", _TRANSFERS): Needs(R, VIEW),
    ("GET", _TRANSFERS + "/{transfer}"): Needs(R, VIEW),
    ("DELETE", _TRANSFERS + "/{transfer}"): Needs(W, OPERATE),
    ("POST", _TRANSFERS + "/{transfer}/actions/cancel"): Needs(W, OPERATE),
    ("POST", _TRANSFERS + "/{transfer}/actions/public-url"): Needs(RP, CONFIG),
    ("GET", _OURS + "/backups/{transfer}"): Needs(RP, CONFIG),
    ("POST", _OURS + "/apps/{app}/backups/{transfer}/actions/verify"): Needs(W, OPERATE),
    ("POST", _DB + "/backups"): Needs(W, OPERATE),
    ("POST", _DB + "/restores"): Needs(WP, OPERATE),
    ("POST", _DB + "/transfers"): Needs(WP, OPERATE),
    ("GET", _DB + "/transfer-schedules"): Needs(R, VIEW),
    ("POST", _DB + "/transfer-schedules"): Needs(W, OPERATE),
    ("DELETE", _DB + "/transfer-schedules/{schedule}"): Needs(W, OPERATE),
}

_MOVES: Mapping[Key, Needs] = {
    ("GET", _OURS + "/audit"): Needs(
        RP, MANAGE, note="without an app: the caller's own events, and those of apps they manage"
    ),
    ("GET", _OURS + "/runs"): Needs(R, VIEW),
    ("GET", _OURS + "/runs/ends"): Needs(R, VIEW),
    ("GET", _OURS + "/runs/{run_id}"): Needs(R, VIEW),
    ("POST", _OURS + "/changeovers/actions/plan"): Needs(R, OPERATE),
    ("POST", _OURS + "/changeovers"): Needs(W, OPERATE),
    ("GET", _OURS + "/changeovers"): Needs(R, VIEW),
    ("GET", _OURS + "/changeovers/{number}"): Needs(R, VIEW),
    ("POST", _OURS + "/changeovers/{number}/actions/cut-over"): Needs(W, OPERATE),
    ("POST", _OURS + "/changeovers/{number}/actions/abort"): Needs(W, OPERATE),
    ("POST", _OURS + "/checks"): Needs(RP, CONFIG),
    ("POST", _OURS + "/migrations"): Needs(WP, OPERATE),
    ("GET", _OURS + "/migrations"): Needs(R, VIEW),
    ("POST", _OURS + "/migrations/actions/plan"): Needs(RP, OPERATE),
    ("POST", _OURS + "/migrations/actions/find"): Needs(RP, OPERATE),
    ("GET", _OURS + "/migrations/{number}"): Needs(R, VIEW),
    ("POST", _OURS + "/migrations/actions/abort"): Needs(WP, OPERATE),
    ("POST", _OURS + "/migrations/{number}/actions/abort"): Needs(W, OPERATE),
    ("POST", _OURS + "/verifications"): Needs(RP, CONFIG),
    ("GET", _OURS + "/verifications/{number}"): Needs(R, VIEW),
}

RULES: Mapping[Key, Needs] = {
    **_ACCOUNT, **_CATALOGUE, **_TEAMS, **_APPS, **_ADDONS, **_DATABASES, **_MOVES,
}  # fmt: skip


def needs_of(request: Request) -> Needs:
    """The requirements of the request's route. Raises RuntimeError for a route without a rule."""
    path = getattr(request.scope.get("route"), "path", "")
    found = RULES.get((request.method, path))
    if found is None:
        raise RuntimeError(f"no rule in api/rules.py says who may use {request.method} {path}")
    return found


def routes_of(app: FastAPI) -> set[Key]:
    """Every method and path of the application."""
    routes: list[Any] = []
    for route in app.routes:
        included = getattr(route, "original_router", None)
        routes += included.routes if included is not None else [route]
    return {
        (method, path)
        for route in routes
        if (path := getattr(route, "path", ""))
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
    }


def require_rules(app: FastAPI) -> None:
    """Raises RuntimeError unless the rules have exactly the routes of the application."""
    served, ruled = routes_of(app), {*RULES, *PUBLIC}
    if served != ruled:
        wrong = ", ".join(" ".join(key) for key in sorted(served ^ ruled))
        raise RuntimeError(f"api/rules.py and the routes disagree about: {wrong}")
