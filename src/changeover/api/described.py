"""Descriptions of request bodies for the OpenAPI document. Routes read them as plain objects, in the official CLI's format.

The fields are listed here and read in the routes, and a test compares both. `additionalProperties` stays open, because Heroku
ignores unknown fields, and so do we.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from changeover.api.bodies import LARGEST_WHOLE, LONGEST_TEXT, read_fields

Schema = dict[str, Any]

TEXT: Schema = {"type": ["string", "null"], "maxLength": LONGEST_TEXT}
NAMED: Schema = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
    ]
}
FLAG: Schema = {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["true", "false"]}]}
WHOLE: Schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_WHOLE}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
VALUES: Schema = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
SIZED: Schema = {"quantity": {"anyOf": [{"type": "integer"}, {"type": "string"}]}, "size": NAMED}
UPDATES: Schema = {"type": "array", "items": {"type": "object", "properties": {"type": {"type": "string"}, **SIZED}}}
ATTACHMENT: Schema = {"type": "object", "properties": {"name": TEXT}}
LOCATION: Schema = {"type": "string", "description": "The name of an add-on, or a PostgreSQL URL"}
NEW_APP = {
    "name": TEXT, "region": NAMED, "stack": NAMED, "space": NAMED, "team": NAMED, "locked": FLAG, "internal_routing": FLAG,
}  # fmt: skip
COLLABORATOR = {"user": NAMED, "silent": FLAG, "permissions": TEXTS}
MEMBER = {"email": TEXT, "role": TEXT, "federated": FLAG}
BETWEEN = {"source": LOCATION, "target": LOCATION}
MIGRATION = {
    **BETWEEN, "hold": TEXT, "verify": TEXT, "refresh": TEXT, "connections": WHOLE, "keeps_owners": FLAG, "ignored": TEXTS,
    "on_hold": TEXT, "on_switch": TEXT, "on_release": TEXT, "pgbouncer": TEXT,
}  # fmt: skip
PLAN = {"app": NAMED, "source": NAMED, "to": TEXT, "hold": TEXT}

BODIES: dict[str, dict[str, Schema]] = {
    "POST /oauth/authorizations": {"description": TEXT, "expires_in": WHOLE, "scope": TEXTS, "user": TEXT},
    "PATCH /oauth/authorizations/{id_}": {"description": TEXT},
    "POST /apps": NEW_APP,
    "POST /teams/apps": NEW_APP,
    "PATCH /apps/{key}": {"name": TEXT, "maintenance": FLAG, "scheduler": FLAG, "build_stack": NAMED},
    "PATCH /teams/apps/{key}": {"locked": FLAG, "owner": NAMED},
    "POST /account/app-transfers": {"app": NAMED, "recipient": NAMED},
    "POST /apps/{app}/collaborators": COLLABORATOR,
    "POST /teams/apps/{app}/collaborators": COLLABORATOR,
    "PATCH /teams/apps/{app}/collaborators/{user}": {"permissions": TEXTS},
    "PATCH /apps/{app}/config-vars": {},
    "POST /apps/{app}/releases": {"release": NAMED},
    "PATCH /apps/{app}/formation": {"updates": UPDATES},
    "PATCH /apps/{app}/formation/{type_}": SIZED,
    "POST /apps/{app}/dynos": {
        "command": TEXT, "env": VALUES, "size": TEXT, "type": TEXT, "attach": FLAG, "force_no_tty": FLAG,
    },
    "POST /apps/{app}/addons": {"plan": NAMED, "name": TEXT, "config": VALUES, "attachment": ATTACHMENT, "confirm": TEXT},
    "PATCH /apps/{app}/addons/{key}": {"plan": NAMED, "name": NAMED},
    "DELETE /apps/{app}/addons/{key}": {"force": FLAG},
    "POST /actions/addons/resolve": {"addon": NAMED, "addon_service": NAMED, "app": NAMED},
    "POST /addon-attachments": {"addon": NAMED, "app": NAMED, "name": TEXT, "namespace": TEXT, "confirm": TEXT},
    "POST /actions/addon-attachments/resolve": {"addon_attachment": NAMED, "app": NAMED},
    "POST /spaces": {"name": TEXT, "team": NAMED, "region": NAMED, "shield": FLAG, "cidr": TEXT, "data_cidr": TEXT},
    "PATCH /spaces/{key}": {"name": TEXT},
    "POST /teams": {"name": TEXT},
    "PATCH /teams/{key}/members": MEMBER,
    "PUT /teams/{key}/members": MEMBER,
    "POST /apps/{app}/log-sessions": {"lines": WHOLE, "tail": FLAG, "source": TEXT, "dyno": TEXT},
    "POST /changeover/v1/apps/{app}/adopted-databases": {"source": LOCATION, "as": TEXT, "confirm": TEXT},
    "POST /changeover/v1/checks": {**BETWEEN, "sample_s": {"type": "number", "minimum": 0, "maximum": 3600}},
    "POST /changeover/v1/apps/{app}/databases/{database}/actions/promote": {"as": TEXT, "force": FLAG},
    "POST /changeover/v1/changeovers/actions/plan": PLAN,
    "POST /changeover/v1/changeovers": {
        **PLAN, "at": TEXT, "waits_for_word": FLAG, "ends_sessions": FLAG, "keep_source_days": WHOLE,
    },
    "POST /changeover/v1/changeovers/{number}/actions/cut-over": {"ends_sessions": FLAG},
    "POST /changeover/v1/apps/{app}/scheduler/jobs": {"command": TEXT, "every": TEXT, "size": TEXT},
    "POST /client/v11/databases/{key}/connection-pooling": {"app": NAMED, "name": TEXT, "credential": TEXT},
    "POST /changeover/v1/migrations": MIGRATION,
    "POST /changeover/v1/migrations/actions/plan": MIGRATION,
    "POST /changeover/v1/migrations/actions/find": BETWEEN,
    "POST /changeover/v1/migrations/actions/abort": BETWEEN,
    "POST /changeover/v1/verifications": {**BETWEEN, "is_quick": FLAG},
    "POST /client/v11/databases/{key}/restores": {"backup_url": TEXT, "extensions": TEXTS},
    "POST /client/v11/databases/{key}/transfers": {"from_name": TEXT, "from_url": TEXT, "to_name": TEXT, "to_url": TEXT},
    "POST /client/v11/databases/{key}/transfer-schedules": {
        "hour": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "schedule_name": TEXT, "timezone": TEXT,
    },
}  # fmt: skip


def routes_with_a_body(routers: Iterable[APIRouter]) -> dict[str, APIRoute]:
    """`METHOD /path` of each route that reads a JSON object."""
    return {
        f"{method} {route.path}": route
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and any(one.call is read_fields for one in route.dependant.dependencies)
        for method in route.methods or ()
    }


def describe_bodies(routers: Iterable[APIRouter]) -> None:
    """Adds the descriptions to the routes. Call it before the routers are included in the application."""
    for key, route in routes_with_a_body(routers).items():
        schema = {"type": "object", "properties": BODIES.get(key, {})}
        route.openapi_extra = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
