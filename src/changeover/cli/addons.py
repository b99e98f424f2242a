"""Add-ons: create, attach, detach, rename, destroy. Read-only commands are in addon_views.py."""

from __future__ import annotations

from typing import Any

import click

from changeover.cli.addon_views import price_line
from changeover.cli.resolve import find_addon
from changeover.cli.session import (
    Session,
    ask_to_confirm,
    command,
    may_take_app,
    takes_app,
    takes_confirm,
    with_confirmation,
)
from changeover.cli.terminal import action, paint, say
from changeover.cli.waiting import wait_for_addon
from changeover.client import segment
from changeover.errors import BadRequest, ChangeoverError, Misused, NotFound, Reported

LATEST = "version ..; max=1, order=desc"


@command(passes_unknown=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="SERVICE:PLAN [-- --KEY VALUE ...]")
@takes_app
@click.option("--as", "alias", help="Name for the initial attachment.")
@takes_confirm
@click.option("--name", help="Name for the add-on.")
@click.option("--wait", is_flag=True, help="Wait until the add-on is created.")
def create(
    session: Session,
    *,
    words: tuple[str, ...],
    app: str,
    alias: str | None,
    confirm: str | None,
    name: str | None,
    wait: bool,
) -> None:
    """Create an add-on: `addons:create heroku-postgresql:private-4 -a APP -- --follow DATABASE`."""
    if not words or words[0].startswith("-"):
        raise Misused("No plan given.", fix="For example: `changeover addons:create heroku-postgresql:standard-0`.")
    body = {
        "plan": {"name": words[0]},
        "config": parse_config(words[1:]),
        "attachment": {"name": alias} if alias else {},
    }
    body |= {"name": name} if name else {}

    def request(confirmed: str | None) -> Any:
        with action(f"Creating {words[0]} on {paint('app', app)}") as doing:
            whole = body | ({"confirm": confirmed} if confirmed else {})
            headers = {"X-Heroku-Legacy-Provider-Messages": "true", "Accept-Expansion": "plan"}
            addon = session.client.request("POST", f"/apps/{segment(app)}/addons", whole, headers=headers).body
            doing.says = paint("good", price_line(addon["plan"].get("price")))
        return addon

    addon = with_confirmation(app, confirm, request)
    if wait and addon["state"] == "provisioning":
        if not session.wants_json:
            _say_message(addon)
            say(f"Waiting for {paint('addon', addon['name'])}...")
        session.tell(addon := wait_for_addon(session.client, addon), lambda: _say_created(addon))
    else:
        session.tell(addon, lambda: _say_created(addon, with_message=True))


def parse_config(words: tuple[str, ...] | list[str]) -> dict[str, str | bool]:
    """`--key value`, `--key=value` and lone `--flag` as the API's config: strings, and true for flags."""
    config: dict[str, str | bool] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("--") or word == "--":
            raise Misused(
                f"Unexpected argument {word}.", fix="Pass options of the add-on like this: -- --follow DATABASE"
            )
        key, given, value = word[2:].partition("=")
        if given:
            config[key] = True if value == "true" else value
        elif left and not left[0].startswith("--"):
            config[key] = left.pop(0)
        else:
            config[key] = True
    return config


def _say_message(addon: dict[str, Any]) -> None:
    if addon.get("provision_message"):
        say(addon["provision_message"])


def _say_created(addon: dict[str, Any], *, with_message: bool = False) -> None:
    name = paint("addon", addon["name"])
    if with_message:
        _say_message(addon)
    if addon["state"] == "provisioning":
        say(f"{name} is being created in the background. The app will restart when complete...")
        say(f"Run {paint('code', 'changeover addons:info ' + addon['name'])} to check creation progress.")
    elif addon["state"] == "deprovisioned":
        raise BadRequest(
            "The add-on was unable to be created, with status deprovisioned.", fix="See `changeover runs`."
        )
    else:
        config_vars = ", ".join(paint("name", each) for each in addon.get("config_vars") or [])
        say(f"Created {name} as {config_vars}" if config_vars else f"Created {name}")
    if with_message:
        say(f"Run {paint('code', 'changeover addons:docs ' + addon['addon_service']['name'])} to view documentation.")


@command()
@click.argument("addon_name", metavar="ADDON")
@takes_app
@click.option("--as", "alias", help="Name for the attachment.")
@takes_confirm
@click.option("--credential", help="Database credential to attach.")
def attach(
    session: Session, *, addon_name: str, app: str, alias: str | None, confirm: str | None, credential: str | None
) -> None:
    """Attach an add-on to another app."""
    is_of_app = "::" in addon_name
    addon = (
        find_addon(session.client, addon_name, None)
        if is_of_app
        else session.client.get(f"/addons/{segment(addon_name)}")
    )
    body: dict[str, Any] = {"addon": {"name": addon["name"]}, "app": {"name": app}}
    body |= {"name": alias} if alias else {}
    if credential and credential != "default":
        if not session.client.get(f"/addons/{segment(addon['name'])}/config/credential:{segment(credential)}"):
            raise NotFound(
                f"Could not find credential {credential} for database {addon['name']}",
                fix=f"See `changeover pg:credentials {addon['name']}`.",
            )
        body["namespace"] = f"credential:{credential}"

    def request(confirmed: str | None) -> Any:
        of = f"{paint('name', credential)} of " if credential else ""
        as_alias = f" as {paint('attachment', alias)}" if alias else ""
        with action(f"Attaching {of}{paint('datastore', addon['name'])}{as_alias} to {paint('app', app)}"):
            return session.client.post("/addon-attachments", body | ({"confirm": confirmed} if confirmed else {}))

    attachment = with_confirmation(app, confirm, request)
    _show_release(session, "Setting", attachment["name"], app)
    session.tell(attachment, lambda: None)


@command()
@click.argument("attachment_name", metavar="ATTACHMENT")
@takes_app
def detach(session: Session, *, attachment_name: str, app: str) -> None:
    """Detach an add-on from an app without destroying it."""
    attachment = session.client.get(f"/apps/{segment(app)}/addon-attachments/{segment(attachment_name)}")
    name, addon = paint("attachment", attachment["name"]), paint("addon", attachment["addon"]["name"])
    with action(f"Detaching {name} to {addon} from {paint('app', app)}"):
        session.client.delete(f"/addon-attachments/{attachment['id']}")
    _show_release(session, "Unsetting", attachment["name"], app)
    session.tell(attachment, lambda: None)


def _show_release(session: Session, verb: str, attachment: str, app: str) -> None:
    with action(f"{verb} {paint('attachment', attachment)} config vars and restarting {paint('app', app)}") as doing:
        releases = session.client.get(f"/apps/{segment(app)}/releases", order=LATEST)
        doing.says = f"done, v{releases[0]['version']}" if releases else "done"


@command()
@click.argument("names", metavar="ADDON...", nargs=-1, required=True)
@may_take_app
@takes_confirm
@click.option(
    "--force", "-f", is_flag=True, envvar="HEROKU_FORCE", help="Destroy it even if it is attached to other apps."
)
@click.option("--wait", is_flag=True, help="Wait until the add-on is destroyed.")
def destroy(
    session: Session, *, names: tuple[str, ...], app: str | None, confirm: str | None, force: bool, wait: bool
) -> None:
    """Permanently destroy add-ons with all their data."""
    addons = [find_addon(session.client, name, app) for name in names]
    for addon in addons:
        owner = addon["app"]["name"]
        if app and app not in (owner, addon["app"]["id"]):
            raise BadRequest(
                f"{addon['name']} is on {owner} not {app}.",
                why="Only the app that owns an add-on can destroy it.",
                fix=f"Repeat the command with --app {owner}, or only detach it: `changeover addons:detach NAME --app {app}`.",
            )
    for owner in dict.fromkeys(addon["app"]["name"] for addon in addons):
        ask_to_confirm(owner, confirm)
    gone = [_destroy_one(session, addon, force=force, wait=wait) for addon in addons]
    session.tell(gone[0] if len(gone) == 1 else gone, lambda: None)


def _destroy_one(session: Session, addon: dict[str, Any], *, force: bool, wait: bool) -> Any:
    name = paint("addon", addon["name"])
    try:
        with action(f"Destroying {name} on {paint('app', addon['app']['name'])}") as doing:
            path = f"/apps/{segment(addon['app']['id'])}/addons/{segment(addon['id'])}"
            left = session.client.delete(path, {"force": force})
            doing.says = "pending" if left["state"] == "deprovisioning" else "done"
    except Reported as refusal:
        refusal.what = f"The add-on was unable to be destroyed: {refusal.what}"
        raise
    if left["state"] == "deprovisioning" and wait:
        return wait_for_addon(session.client, left, verb="Destroying", during="deprovisioning")
    if left["state"] == "deprovisioning" and not session.wants_json:
        say(f"{name} is being destroyed in the background. The app will restart when complete...")
        say(f"Run {paint('code', 'changeover addons:info ' + addon['name'])} to check destruction progress")
    elif left["state"] not in ("deprovisioning", "deprovisioned"):
        raise ChangeoverError(f"The add-on was unable to be destroyed, with status {left['state']}.")
    return left


@command()
@click.argument("addon_name", metavar="ADDON")
@click.argument("new_name", metavar="NEW_NAME")
def rename(session: Session, *, addon_name: str, new_name: str) -> None:
    """Rename an add-on. Its attachments keep their names."""
    addon = session.client.get(f"/addons/{segment(addon_name)}")
    renamed = session.client.patch(f"/apps/{addon['app']['id']}/addons/{addon['id']}", {"name": new_name})
    session.tell(
        renamed, lambda: say(f"{paint('addon', addon_name)} successfully renamed to {paint('info', new_name)}.")
    )
