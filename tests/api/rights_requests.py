"""One request for each route, on a prepared world; each is harmless where it is allowed.

`{app}` and the like stand for things of the world. What would change much is asked for in a way that fails after the
permission was checked: a name that is taken, a recipient that doesn't exist.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Asked:
    """How to ask a route. `on`: what its rule is checked against.

    app: the app of the world. team: its team. nothing: any token that allows the route will do (a list shows less).
    `is_hidden`: who may not see the thing is told that it does not exist.
    """

    path: str
    body: dict[str, Any] = field(default_factory=dict)
    on: str = "app"
    is_hidden: bool = False


_APP = "/apps/{app}"
_V11, _OURS = "/client/v11", "/changeover/v1"
_DB = _V11 + "/databases/{addon}"
_NOBODY = "nobody@nowhere.example"
_UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
_TWICE = {"source": "{addon}", "target": "{addon}"}

REQUESTS: dict[tuple[str, str], Asked] = {
    ("GET", "/account"): Asked("/account", on="nothing"),
    ("GET", "/account/features"): Asked("/account/features", on="nothing"),
    ("GET", "/account/features/{name}"): Asked("/account/features/none", on="nothing"),
    ("GET", "/account/keys"): Asked("/account/keys", on="nothing"),
    ("GET", "/oauth/authorizations"): Asked("/oauth/authorizations", on="nothing"),
    ("POST", "/oauth/authorizations"): Asked("/oauth/authorizations", {"scope": ["nonsense"]}, on="nothing"),
    ("GET", "/oauth/authorizations/{id_}"): Asked("/oauth/authorizations/~", on="nothing"),
    ("PATCH", "/oauth/authorizations/{id_}"): Asked("/oauth/authorizations/~", on="nothing"),
    ("DELETE", "/oauth/authorizations/{id_}"): Asked(f"/oauth/authorizations/{_UNKNOWN_ID}", on="nothing"),
    ("POST", "/oauth/authorizations/{id_}/actions/regenerate-tokens"): Asked(
        f"/oauth/authorizations/{_UNKNOWN_ID}/actions/regenerate-tokens", on="nothing"
    ),
    ("GET", "/oauth/sessions"): Asked("/oauth/sessions", on="nothing"),
    ("DELETE", "/oauth/sessions/{id_}"): Asked("/oauth/sessions/~", on="nothing"),
    ("GET", "/addon-services"): Asked("/addon-services", on="nothing"),
    ("GET", "/addon-services/{key}"): Asked("/addon-services/heroku-postgresql", on="nothing"),
    ("GET", "/addon-services/{key}/plans"): Asked("/addon-services/heroku-postgresql/plans", on="nothing"),
    ("GET", "/regions"): Asked("/regions", on="nothing"),
    ("GET", "/regions/{key}"): Asked("/regions/eu", on="nothing"),
    ("GET", "/stacks"): Asked("/stacks", on="nothing"),
    ("GET", "/dyno-sizes"): Asked("/dyno-sizes", on="nothing"),
    ("GET", "/teams/permissions"): Asked("/teams/permissions", on="nothing"),
    ("GET", _OURS + "/ca"): Asked(_OURS + "/ca", on="nothing"),
    ("GET", _OURS + "/openapi.json"): Asked(_OURS + "/openapi.json", on="nothing"),
    ("GET", "/teams"): Asked("/teams", on="nothing"),
    ("POST", "/teams"): Asked("/teams", {"name": "{team}"}, on="team"),
    ("GET", "/teams/{key}"): Asked("/teams/{team}", on="team"),
    ("GET", "/teams/{key}/features"): Asked("/teams/{team}/features", on="team"),
    ("GET", "/teams/{key}/members"): Asked("/teams/{team}/members", on="team"),
    ("PUT", "/teams/{key}/members"): Asked("/teams/{team}/members", {"email": "no address"}, on="team"),
    ("PATCH", "/teams/{key}/members"): Asked("/teams/{team}/members", {"email": "no address"}, on="team"),
    ("DELETE", "/teams/{key}/members/{email}"): Asked("/teams/{team}/members/" + _NOBODY, on="team"),
    ("GET", "/teams/{key}/apps"): Asked("/teams/{team}/apps", on="team"),
    ("GET", "/spaces"): Asked("/spaces", on="nothing"),
    ("POST", "/spaces"): Asked("/spaces", {"name": "{space}", "team": "{team}"}, on="team"),
    ("GET", "/spaces/{key}"): Asked("/spaces/{space}", on="team"),
    ("PATCH", "/spaces/{key}"): Asked("/spaces/{space}", {"name": "{space}"}, on="team"),
    ("DELETE", "/spaces/{key}"): Asked("/spaces/{space}", on="team"),  # refused: an app lives there
    ("GET", "/spaces/{key}/nat"): Asked("/spaces/{space}/nat", on="team"),
    ("GET", "/spaces/{key}/dynos"): Asked("/spaces/{space}/dynos", on="team"),
    ("GET", "/apps"): Asked("/apps", on="nothing"),
    ("GET", "/users/{user}/apps"): Asked("/users/~/apps", on="nothing"),
    ("POST", "/apps"): Asked("/apps", {"name": "{app}", "team": "{team}"}, on="team"),
    ("POST", "/teams/apps"): Asked("/teams/apps", {"name": "{app}", "space": "{space}"}, on="team"),
    ("GET", "/apps/{key}"): Asked(_APP),
    ("GET", "/teams/apps/{key}"): Asked("/teams/apps/{app}"),
    ("PATCH", "/apps/{key}"): Asked(_APP, {"build_stack": "heroku-24"}),
    ("PATCH", "/teams/apps/{key}"): Asked("/teams/apps/{app}", {"locked": False}),
    ("DELETE", "/apps/{key}"): Asked(_APP),  # refused: another app uses its database
    ("POST", "/account/app-transfers"): Asked("/account/app-transfers", {"app": "{app}", "recipient": _NOBODY}),
    ("GET", "/apps/{key}/pipeline-couplings"): Asked(_APP + "/pipeline-couplings"),
    ("GET", "/apps/{key}/features"): Asked(_APP + "/features"),
    ("GET", "/apps/{key}/buildpack-installations"): Asked(_APP + "/buildpack-installations"),
    ("GET", "/apps/{app}/collaborators"): Asked(_APP + "/collaborators"),
    ("GET", "/teams/apps/{app}/collaborators"): Asked("/teams/apps/{app}/collaborators"),
    ("POST", "/apps/{app}/collaborators"): Asked(_APP + "/collaborators", {"user": "no address"}),
    ("POST", "/teams/apps/{app}/collaborators"): Asked("/teams/apps/{app}/collaborators", {"user": "no address"}),
    ("PATCH", "/teams/apps/{app}/collaborators/{user}"): Asked("/teams/apps/{app}/collaborators/" + _NOBODY),
    ("DELETE", "/apps/{app}/collaborators/{user}"): Asked(_APP + "/collaborators/" + _NOBODY),
    ("GET", "/apps/{app}/config-vars"): Asked(_APP + "/config-vars"),
    ("PATCH", "/apps/{app}/config-vars"): Asked(_APP + "/config-vars"),
    ("GET", "/apps/{app}/releases"): Asked(_APP + "/releases"),
    ("GET", "/apps/{app}/releases/{key}"): Asked(_APP + "/releases/1"),
    ("GET", "/apps/{app}/releases/{release}/config-vars"): Asked(_APP + "/releases/1/config-vars"),
    ("POST", "/apps/{app}/releases"): Asked(_APP + "/releases", {"release": "9999"}),
    ("POST", _OURS + "/apps/{app}/deploys"): Asked(_OURS + "/apps/{app}/deploys"),  # {} is no archive
    ("GET", "/apps/{app}/formation"): Asked(_APP + "/formation"),
    ("PATCH", "/apps/{app}/formation"): Asked(_APP + "/formation", {"updates": []}),
    ("PATCH", "/apps/{app}/formation/{type_}"): Asked(_APP + "/formation/none", {"quantity": 1}),
    ("GET", "/apps/{app}/dynos"): Asked(_APP + "/dynos"),
    ("GET", "/apps/{app}/dynos/{name}"): Asked(_APP + "/dynos/web.9"),
    ("POST", "/apps/{app}/dynos"): Asked(_APP + "/dynos", {"command": "true"}),  # refused: it has no code
    ("DELETE", "/apps/{app}/dynos"): Asked(_APP + "/dynos"),
    ("DELETE", "/apps/{app}/dynos/{name}"): Asked(_APP + "/dynos/web.9"),
    ("DELETE", "/apps/{app}/formations/{name}"): Asked(_APP + "/formations/web"),
    ("POST", "/apps/{app}/dynos/{name}/actions/stop"): Asked(_APP + "/dynos/web.9/actions/stop"),
    ("POST", "/apps/{app}/formations/{name}/actions/stop"): Asked(_APP + "/formations/web/actions/stop"),
    ("POST", "/apps/{app}/log-sessions"): Asked(_APP + "/log-sessions"),
    ("GET", _OURS + "/apps/{app}/scheduler"): Asked(_OURS + "/apps/{app}/scheduler"),
    ("POST", _OURS + "/apps/{app}/scheduler/jobs"): Asked(
        _OURS + "/apps/{app}/scheduler/jobs", {"command": "true", "every": "hourly"}
    ),
    ("DELETE", _OURS + "/apps/{app}/scheduler/jobs/{job}"): Asked(_OURS + "/apps/{app}/scheduler/jobs/1"),
    ("POST", _OURS + "/apps/{app}/scheduler/jobs/{job}/actions/run"): Asked(
        _OURS + "/apps/{app}/scheduler/jobs/1/actions/run"
    ),
    ("POST", _OURS + "/apps/{app}/scheduler/actions/hold"): Asked(_OURS + "/apps/{app}/scheduler/actions/hold"),
    ("POST", _OURS + "/apps/{app}/scheduler/actions/resume"): Asked(_OURS + "/apps/{app}/scheduler/actions/resume"),
    ("GET", "/addons"): Asked("/addons", on="nothing"),
    ("GET", "/apps/{app}/addons"): Asked(_APP + "/addons"),
    ("GET", "/apps/{app}/addons/{key}"): Asked(_APP + "/addons/{addon}"),
    ("GET", "/addons/{key}"): Asked("/addons/{addon}"),
    ("POST", "/actions/addons/resolve"): Asked("/actions/addons/resolve", {"addon": "{addon}"}),
    ("GET", "/addons/{key}/config/{namespace}"): Asked("/addons/{addon}/config/credential:none"),
    ("POST", "/apps/{app}/addons"): Asked(_APP + "/addons", {"plan": "heroku-postgresql:none"}),
    ("PATCH", "/apps/{app}/addons/{key}"): Asked(_APP + "/addons/{addon}", {"plan": "heroku-postgresql:none"}),
    ("DELETE", "/apps/{app}/addons/{key}"): Asked(_APP + "/addons/{addon}"),  # refused: another app uses it
    ("GET", "/addon-attachments"): Asked("/addon-attachments", on="nothing"),
    ("GET", "/addon-attachments/{key}"): Asked("/addon-attachments/{attachment}", is_hidden=True),
    ("GET", "/apps/{app}/addon-attachments"): Asked(_APP + "/addon-attachments"),
    ("GET", "/apps/{app}/addon-attachments/{key}"): Asked(_APP + "/addon-attachments/DATABASE"),
    ("GET", "/addons/{key}/addon-attachments"): Asked("/addons/{addon}/addon-attachments"),
    ("POST", "/actions/addon-attachments/resolve"): Asked(
        "/actions/addon-attachments/resolve", {"addon_attachment": "DATABASE", "app": "{app}"}
    ),
    ("POST", "/addon-attachments"): Asked("/addon-attachments", {"addon": "{addon}", "app": "{app}", "name": "-"}),
    ("DELETE", "/addon-attachments/{key}"): Asked("/addon-attachments/{attachment}", is_hidden=True),  # the last one
    ("GET", _V11 + "/databases/{key}"): Asked(_DB),
    ("GET", _V11 + "/databases/{key}/wait_status"): Asked(_DB + "/wait_status"),
    ("GET", _V11 + "/databases/{key}/bastion"): Asked(_DB + "/bastion"),
    ("PUT", _V11 + "/databases/{key}/unfollow"): Asked(_DB + "/unfollow"),  # it follows nothing
    ("POST", _V11 + "/databases/{key}/connection_reset"): Asked(_DB + "/connection_reset"),
    ("POST", _V11 + "/databases/{key}/connection-pooling"): Asked(
        _DB + "/connection-pooling", {"app": "{app}", "name": "-"}
    ),
    ("GET", "/postgres/v0/databases/{key}/credentials"): Asked("/postgres/v0/databases/{addon}/credentials"),
    ("GET", "/postgres/v0/databases/{key}/credentials/{name}"): Asked(
        "/postgres/v0/databases/{addon}/credentials/default"
    ),
    ("POST", _OURS + "/apps/{app}/adopted-databases"): Asked(
        _OURS + "/apps/{app}/adopted-databases", {"source": "no-such-database"}
    ),
    ("POST", _OURS + "/apps/{app}/databases/{database}/actions/promote"): Asked(
        _OURS + "/apps/{app}/databases/DATABASE/actions/promote"
    ),
    ("GET", _V11 + "/apps/{app}/transfers"): Asked(_V11 + "/apps/{app}/transfers"),
    ("GET", _V11 + "/apps/{app}/transfers/{transfer}"): Asked(_V11 + "/apps/{app}/transfers/b999"),
    ("DELETE", _V11 + "/apps/{app}/transfers/{transfer}"): Asked(_V11 + "/apps/{app}/transfers/b999"),
    ("POST", _V11 + "/apps/{app}/transfers/{transfer}/actions/cancel"): Asked(
        _V11 + "/apps/{app}/transfers/b999/actions/cancel"
    ),
    ("POST", _V11 + "/apps/{app}/transfers/{transfer}/actions/public-url"): Asked(
        _V11 + "/apps/{app}/transfers/b999/actions/public-url"
    ),
    ("GET", _OURS + "/backups/{transfer}"): Asked(_OURS + "/backups/{backup}", is_hidden=True),
    ("POST", _OURS + "/apps/{app}/backups/{transfer}/actions/verify"): Asked(
        _OURS + "/apps/{app}/backups/b999/actions/verify"
    ),
    ("POST", _V11 + "/databases/{key}/backups"): Asked(_DB + "/backups"),
    ("POST", _V11 + "/databases/{key}/restores"): Asked(_DB + "/restores", {"backup_url": "nonsense://"}),
    ("POST", _V11 + "/databases/{key}/transfers"): Asked(
        _DB + "/transfers", {"from_name": "A", "from_url": "nonsense", "to_name": "B", "to_url": "nonsense"}
    ),
    ("GET", _V11 + "/databases/{key}/transfer-schedules"): Asked(_DB + "/transfer-schedules"),
    ("POST", _V11 + "/databases/{key}/transfer-schedules"): Asked(_DB + "/transfer-schedules", {"hour": "99"}),
    ("DELETE", _V11 + "/databases/{key}/transfer-schedules/{schedule}"): Asked(_DB + "/transfer-schedules/none"),
    ("GET", _OURS + "/audit"): Asked(_OURS + "/audit?app={app}"),
    ("GET", _OURS + "/runs"): Asked(_OURS + "/runs", on="nothing"),
    ("GET", _OURS + "/runs/ends"): Asked(_OURS + "/runs/ends", on="nothing"),
    ("GET", _OURS + "/runs/{run_id}"): Asked(_OURS + "/runs/{run}", is_hidden=True),
    ("POST", _OURS + "/changeovers/actions/plan"): Asked(
        _OURS + "/changeovers/actions/plan", {"app": "{app}", "source": "DATABASE", "to": "none"}
    ),
    ("POST", _OURS + "/changeovers"): Asked(
        _OURS + "/changeovers", {"app": "{app}", "source": "DATABASE", "to": "none"}
    ),
    ("GET", _OURS + "/changeovers"): Asked(_OURS + "/changeovers", on="nothing"),
    ("GET", _OURS + "/changeovers/{number}"): Asked(_OURS + "/changeovers/{changeover}", is_hidden=True),
    ("POST", _OURS + "/changeovers/{number}/actions/cut-over"): Asked(
        _OURS + "/changeovers/{changeover}/actions/cut-over", is_hidden=True
    ),
    ("POST", _OURS + "/changeovers/{number}/actions/abort"): Asked(
        _OURS + "/changeovers/{changeover}/actions/abort", is_hidden=True
    ),
    ("POST", _OURS + "/checks"): Asked(_OURS + "/checks", {"source": "{addon}", "target": "none", "sample_s": 0}),
    ("POST", _OURS + "/migrations"): Asked(_OURS + "/migrations", _TWICE),
    ("GET", _OURS + "/migrations"): Asked(_OURS + "/migrations", on="nothing"),
    ("POST", _OURS + "/migrations/actions/plan"): Asked(_OURS + "/migrations/actions/plan", _TWICE),
    ("POST", _OURS + "/migrations/actions/find"): Asked(_OURS + "/migrations/actions/find", _TWICE),
    ("GET", _OURS + "/migrations/{number}"): Asked(_OURS + "/migrations/1", on="nothing"),  # its author's alone
    ("POST", _OURS + "/migrations/actions/abort"): Asked(_OURS + "/migrations/actions/abort", _TWICE),
    ("POST", _OURS + "/migrations/{number}/actions/abort"): Asked(
        _OURS + "/migrations/1/actions/abort", on="nothing"
    ),
    ("POST", _OURS + "/verifications"): Asked(_OURS + "/verifications", _TWICE),
    ("GET", _OURS + "/verifications/{number}"): Asked(_OURS + "/verifications/1", on="nothing"),
}  # fmt: skip
