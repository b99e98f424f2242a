"""A request's contents for the audit trail: names from its path and body, but no secrets."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from changeover.api.bodies import Fields

TOLD = frozenset(
    "addon addon_attachment addon_service app as at attach attachment confirm cron description email every "
    "expires_in force hold hour internal_routing is_quick locked maintenance name namespace owner permissions plan "
    "process_type quantity recipient region release role schedule_name scope size space stack team timezone "
    "type updates user".split()
)
"""Fields that are recorded with their values. Of others, such as config vars and addresses, only the name is recorded."""
LONGEST_VALUE = 80
MOST_FIELDS = 12
DATABASES = ("/client/v11/databases/", "/postgres/v0/databases/", "/addons/")


def asked_of(request: Request) -> str:
    """`name=shop-2, maintenance=True`: each field of the body, with values unless they may be secret."""
    fields: Fields = getattr(request.state, "fields", {})
    some = [*fields.items()][:MOST_FIELDS]
    if request.url.path.endswith("/config-vars"):  # the account chose these names; all values are secret
        return ", ".join(_printable(name) for name, _ in some)
    return ", ".join(_told(name, value) for name, value in some)


def named_in(request: Request) -> tuple[str | None, str | None]:
    """The app and the add-on in the request."""
    path, route = request.path_params, getattr(request.scope.get("route"), "path", "")
    fields: Fields = getattr(request.state, "fields", {})
    app = path.get("app") or (path.get("key") if route.startswith(("/apps/", "/teams/apps/")) else None)
    addon = path.get("key") if route.startswith(DATABASES) else path.get("addon") or path.get("database")
    return app or _name_of(fields.get("app")), addon or _name_of(fields.get("addon"))


def _told(name: str, value: Any) -> str:
    if name not in TOLD:
        return _printable(name)
    values = value[:MOST_FIELDS] if isinstance(value, list) else [value]
    return f"{name}=" + "+".join(_printable(_text_of(one)) for one in values)


def _text_of(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return _name_of(value) or ",".join(str(value[key]) for key in ("type", "quantity", "size") if key in value)


def _name_of(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name") or value.get("id")
    return value if isinstance(value, str) else None


def _printable(text: str) -> str:
    """Without control characters, which would affect the terminal that prints the trail."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[:LONGEST_VALUE])
