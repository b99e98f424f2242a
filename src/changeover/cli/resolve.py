"""Finds add-ons and attachments by name, with the rules of the official CLI, which asks the server first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from changeover.client import Client, segment
from changeover.errors import ChangeoverError, Forbidden, MultipleMatches, NotFound

SERVICE = "heroku-postgresql"
Record = dict[str, Any]


def find_attachment(client: Client, app: str, name: str = "DATABASE_URL", namespace: str | None = None) -> Record:
    """The PostgreSQL attachment of `app` with this `name` (attachment, config var, add-on, APP::NAME)."""
    if apart := re.fullmatch(r"(.+?)::(.+)", name):
        app, name = apart[1], apart[2]
    try:
        found = client.post("/actions/addon-attachments/resolve", {"addon_attachment": name, "app": app})
    except ChangeoverError as error:
        if error.id != "not_found":
            raise
        matches = _by_value(client, app, name)
    else:
        matches = in_namespace([each for each in found if _is_postgres(each)], namespace)
    if not matches:
        raise NotFound("Couldn't find that addon.", fix=f"See `changeover addons --app {app}`.")
    if len(matches) > 1 and not _are_one_database(client, matches):
        names = ", ".join(match["name"] for match in matches)
        raise MultipleMatches(
            f"Ambiguous identifier; multiple matching add-ons found: {names}.", fix="Use one of these attachments."
        )
    return matches[0]


def readable_config(client: Client, app: str) -> dict[str, str]:
    """The app's config vars. Empty if the account or the token may see the app, but not its secrets."""
    try:
        config: dict[str, str] = client.get(f"/apps/{segment(app)}/config-vars")
    except ChangeoverError as error:
        if error.id != Forbidden.id:
            raise
        return {}
    return config


def in_namespace(matches: list[Record], namespace: str | None) -> list[Record]:
    """Those of `namespace`. Without one, if there are several, those without a namespace."""
    if namespace:
        return [match for match in matches if match.get("namespace") == namespace]
    if len(matches) > 1:
        return [match for match in matches if match.get("namespace") is None]
    return matches


def all_databases(client: Client, app: str) -> list[Record]:
    """The PostgreSQL add-ons attached to `app` except Advanced ones, each with its `attachment_names`."""
    addons: dict[str, Record] = {}
    for attachment in client.get(f"/apps/{segment(app)}/addon-attachments"):
        if is_classic(attachment["addon"]):
            addon = addons.setdefault(attachment["addon"]["id"], {**attachment["addon"], "attachment_names": []})
            addon["attachment_names"].append(attachment["name"])
    return list(addons.values())


def find_addon(client: Client, name: str, app: str | None) -> Record:
    """The add-on with this `name` on `app`, or among all add-ons."""
    if apart := re.fullmatch(r"(.+)::(.+)", name):
        app, name = apart[1], apart[2]
    found: list[Record] = client.post("/actions/addons/resolve", {"addon": name, "app": app})
    if not found:
        raise NotFound("Couldn't find that addon.", fix="See `changeover addons --all`.")
    if len(found) > 1:
        names = ", ".join(addon["name"] for addon in found)
        raise MultipleMatches(
            f"Ambiguous identifier; multiple matching add-ons found: {names}.", fix="Use one of these add-ons."
        )
    return found[0]


def plan_of(addon: Record) -> str:
    """The plan without its service, `standard-0`."""
    return str(addon["plan"]["name"]).partition(":")[2]


def is_classic(addon: Record) -> bool:
    service, _, plan = str(addon["plan"]["name"]).partition(":")
    return service == SERVICE and not re.match(r"advanced|performance", plan)


def is_essential(addon: Record) -> bool:
    return bool(re.match(r"essential|dev|basic|mini", plan_of(addon)))


def config_vars_of(url: str, config: Mapping[str, str]) -> list[str]:
    """The config vars with the database of `url`, for any login. DATABASE_URL comes last."""
    wanted = _place(url)
    names = [name for name, value in config.items() if value == url or (wanted and _place(value) == wanted)]
    return sorted(names, key=lambda name: name == "DATABASE_URL")


def name_of_url(url: str, config: Mapping[str, str]) -> str:
    """The app's name for the database of `url`: a config var without its _URL, or else `host:port/database`."""
    names = config_vars_of(url, config)
    others = [name for name in names if name != "DATABASE_URL"] or names
    if others:
        return others[-1].removesuffix("_URL")
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}{parts.path}"


def _by_value(client: Client, app: str, name: str) -> list[Record]:
    """Attachments whose URL is the value of config var NAME or NAME_URL, which users may have set themselves."""
    attachments = [each for each in client.get(f"/apps/{segment(app)}/addon-attachments") if _is_postgres(each)]
    if not attachments:
        raise NotFound(f"{app} has no databases.", fix=f"Create one: `changeover addons:create {SERVICE} --app {app}`.")
    config = readable_config(client, app)
    value = config.get(name if name.endswith("_URL") else f"{name}_URL")
    found = [each for each in attachments if value and value == config.get(url_var(each))]
    if not found:
        options = ", ".join(url_var(each).removesuffix("_URL") for each in attachments)
        raise NotFound(
            f"Unknown database: {name.removesuffix('_URL')}. Valid options are: {options}",
            fix=f"Repeat the command with one of these, or see `changeover pg:info --app {app}`.",
        )
    return found


def url_var(attachment: Record) -> str:
    """The config var with the attachment's URL."""
    own = f"{attachment['name']}_URL"
    names: list[str] = attachment.get("config_vars") or [own]
    return own if own in names else next((name for name in names if name.endswith("_URL")), own)


def _are_one_database(client: Client, matches: list[Record]) -> bool:
    if len({(match["addon"]["id"], match["app"]["id"]) for match in matches}) > 1:
        return False
    config = readable_config(client, matches[0]["app"]["name"])
    return len({config.get(url_var(match)) for match in matches}) == 1


def _is_postgres(attachment: Record) -> bool:
    return str(attachment["addon"]["plan"]["name"]).startswith(f"{SERVICE}:")


def _place(url: str) -> tuple[str | None, int | None, str] | None:
    if not url.startswith("postgres://"):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None  # a user's config var that only looks like an address
    return parts.hostname, port, parts.path
