"""Apps: list, create, show, rename, transfer, destroy."""

from __future__ import annotations

import os
import re
import subprocess
import webbrowser
from collections import Counter
from typing import Any
from urllib.parse import urljoin

import click

from changeover.cli.appname import apps_of_remotes, git_remotes
from changeover.cli.resolve import Record
from changeover.cli.session import Session, ask_to_confirm, command, may_take_app, takes_app, takes_confirm
from changeover.cli.terminal import Column, action, header, is_interactive, paint, rows, say, table, text_of, warn
from changeover.client import segment
from changeover.errors import BadRequest, ChangeoverError, Misused


@command()
@click.option("--all", "-A", "of_all", is_flag=True, help="Include apps of all teams.")
@click.option("--personal", "-p", is_flag=True, help="List personal apps even if a default team is set.")
@click.option("--space", "-s", help="Only the apps in this space.")
@click.option("--team", "-t", help="Only the apps of this team.")
def index(session: Session, *, of_all: bool, personal: bool, space: str | None, team: str | None) -> None:
    """List your apps."""
    client = session.client
    team = None if personal else team or session.settings.team
    if space:
        team = client.get(f"/spaces/{segment(space)}")["team"]["name"]
    path = f"/teams/{segment(team)}/apps" if team else "/apps" if of_all else "/users/~/apps"
    found = sorted(client.get(path), key=lambda app: str(app["name"]))
    if space:
        found = [app for app in found if app.get("space") and space in (app["space"]["name"], app["space"]["id"])]
    session.tell(found, lambda: _list(session, found, space, team))


def _list(session: Session, apps: list[Record], space: str | None, team: str | None) -> None:
    of = f"space {paint('space', space)}" if space else f"team {paint('info', team)}" if team else None
    if of:
        if not apps:
            say(f"There are no apps in {of}.")
            return
        header(f"Apps in {of}")
        say("\n".join(_listed_name(app) for app in apps))
        return
    if not apps:
        say("You have no apps.")
        return
    email = session.client.get("/account")["email"]
    own = [app for app in apps if app["owner"]["email"] == email]
    if own:
        header(f"{paint('info', email)} Apps")
        say("\n".join(_listed_name(app) for app in own))
    others = [app for app in apps if app not in own]
    if others:
        say("\nCollaborated Apps\n")
        table(others, [Column("Name", _listed_name), Column("Email", lambda app: app["owner"]["email"])])


def _listed_name(app: Record) -> str:
    locked = " [locked]" if app.get("locked") else ""
    region = app["region"]["name"]
    return paint("app", app["name"]) + locked + (f" ({paint('info', region)})" if region != "us" else "")


@command()
@click.argument("name", metavar="[APP]", required=False)
@click.option("--app", "-a", "named", hidden=True)
@click.option("--region", help="Region to run in.")
@click.option("--space", help="Private space to create it in.")
@click.option("--team", "-t", help="Team of the app.")
@click.option("--stack", "-s", help="Stack to create it on.")
@click.option("--addons", help="Comma-separated plans of add-ons to create.")
@click.option("--no-remote", "-n", is_flag=True, help="Don't add a git remote.")
@click.option("--remote", "-r", default="heroku", show_default=True, help="Name of the git remote.")
def create(
    session: Session,
    *,
    name: str | None,
    named: str | None,
    region: str | None,
    space: str | None,
    team: str | None,
    stack: str | None,
    addons: str | None,
    no_remote: bool,
    remote: str,
) -> None:
    """Create an app."""
    client, name = session.client, name or named or session.settings.app
    team = team or session.settings.team
    given = {"name": name, "region": region, "space": space, "team": team, "stack": stack}
    body = {key: value for key, value in given.items() if value}
    within = f" in space {paint('space', space)}" if space else ""
    with action(f"Creating {paint('app', name) if name else 'app'}{within}") as doing:
        app = client.post("/teams/apps" if space or team else "/apps", body)
        doing.says = "done" if name else f"done, {paint('app', app['name'])}"
        doing.says += f", region is {paint('info', app['region']['name'])}" if region else ""
        doing.says += f", stack is {paint('info', app['stack']['name'])}" if stack else ""
    for plan in (addons or "").split(",") if addons else []:
        with action(f"Adding {paint('addon', plan.strip())}"):
            client.post(f"/apps/{segment(app['name'])}/addons", {"plan": plan.strip()})
    if not no_remote:
        _add_remote(remote, app["git_url"])
    session.tell(app, lambda: say(f"{paint('info', app['web_url'])} | {paint('info', app['git_url'])}"))


def _add_remote(name: str, url: str) -> None:
    """Add a git remote for the app, unless the remote exists or the current folder is not the top of a checkout."""
    if not os.path.exists(".git") or re.search(rf"^{re.escape(name)}\t", git_remotes(), re.MULTILINE):  # noqa: PTH110
        return
    subprocess.run(["git", "remote", "add", "--", name, url], check=False)


@command()
@click.argument("name", metavar="[APP]", required=False)
@may_take_app
@click.option("--shell", "-s", is_flag=True, help="Print key=value lines.")
def info(session: Session, *, name: str | None, app: str | None, shell: bool) -> None:
    """Show details of an app."""
    name = _one_name(name, app)
    client, path = session.client, f"/apps/{segment(name)}"
    found = client.get(path)
    whole = {
        "addons": client.get(f"{path}/addons"),
        "app": found,
        "dynos": _optional(session, f"{path}/dynos", []),
        "collaborators": _optional(session, f"{path}/collaborators", []),
        "pipeline_coupling": _optional(session, f"{path}/pipeline-couplings", None),
    }
    session.tell(whole, lambda: _show_shell(whole) if shell else _show(whole))


def _one_name(name: str | None, app: str | None) -> str:
    if found := name or app:
        return found
    raise Misused("No app specified.", fix="Repeat the command with --app NAME.")


def _optional(session: Session, path: str, otherwise: Any) -> Any:
    """The answer, or `otherwise` if the app has none."""
    try:
        return session.client.get(path)
    except ChangeoverError as error:
        if error.id in ("not_found", "forbidden"):
            return otherwise
        raise


def _facts(whole: Record) -> dict[str, Any]:
    app = whole["app"]
    owner, stack, next_stack = app["owner"]["email"], app["stack"]["name"], app["build_stack"]["name"]
    emails = sorted(each["user"]["email"] for each in whole["collaborators"] if each["user"]["email"] != owner)
    return {
        "Addons": sorted(addon["plan"]["name"] for addon in whole["addons"]),
        "Collaborators": emails,
        "Space": paint("space", app["space"]["name"]) if app.get("space") else None,
        "Auto Cert Mgmt": bool(app.get("acm")),
        "Git URL": app["git_url"],
        "Web URL": paint("info", app["web_url"]),
        "Repo Size": _size(app.get("repo_size")),
        "Slug Size": _size(app.get("slug_size")),
        "Owner": paint("info", owner),
        "Region": app["region"]["name"],
        "Dynos": dict(Counter(dyno["type"] for dyno in whole["dynos"])),
        "Stack": stack if stack == next_stack else f"{stack} (next build will use {next_stack})",
    }


def _show(whole: Record) -> None:
    header(paint("app", whole["app"]["name"]))
    rows(_facts(whole))


def _show_shell(whole: Record) -> None:
    for name, value in _facts(whole).items():
        if value is not None:
            text = ",".join(value) if isinstance(value, list) else text_of(value)
            key = {"Auto Cert Mgmt": "auto_cert_mgmt"}.get(name, name.lower().replace(" ", "_"))
            say(f"{key}={text}")


def _size(size_bytes: int | None) -> str:
    size = float(size_bytes or 0)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.0f} TB"


@command()
@click.argument("name", metavar="[APP]", required=False)
@may_take_app
@takes_confirm
def destroy(session: Session, *, name: str | None, app: str | None, confirm: str | None) -> None:
    """Permanently destroy an app and its add-ons."""
    name = _one_name(name, app)
    session.client.get(f"/apps/{segment(name)}")
    ask_to_confirm(name, confirm, f"This will delete {paint('app', name)} including all add-ons.")
    with action(f"Destroying {paint('app', name)} (including all add-ons)"):
        gone = session.client.delete(f"/apps/{segment(name)}")
        for remote in apps_of_remotes(git_remotes(), ("heroku", "changeover")).items():
            if remote[1] == name:
                subprocess.run(["git", "remote", "remove", remote[0]], check=False)
    session.tell(gone, lambda: None)


@command()
@click.argument("new_name", metavar="NEW_NAME")
@takes_app
def rename(session: Session, *, new_name: str, app: str) -> None:
    """Rename an app."""
    with action(f"Renaming {paint('app', app)} to {paint('info', new_name)}"):
        renamed = session.client.patch(f"/apps/{segment(app)}", {"name": new_name})

    def show() -> None:
        say(f"{paint('info', renamed['web_url'])} | {paint('info', renamed['git_url'])}")
        warn("Don't forget to update git remotes for all other local checkouts of the app.")

    session.tell(renamed, show)


@command()
@click.argument("path", default="")
@takes_app
def open_(session: Session, *, path: str, app: str) -> None:
    """Open an app in the browser. Without a terminal, print its URL."""
    url = urljoin(session.client.get(f"/apps/{segment(app)}")["web_url"], path)

    def show() -> None:
        say(f"Opening {paint('info', url)}..." if is_interactive() else url)
        if is_interactive():
            webbrowser.open(url)

    session.tell({"url": url}, show)


@command()
@takes_app
def stacks(session: Session, *, app: str) -> None:
    """List the available stacks and the app's stack."""
    own = session.client.get(f"/apps/{segment(app)}")
    found = sorted(session.client.get("/stacks"), key=lambda stack: str(stack["name"]))

    def show() -> None:
        header(f"{paint('app', own['name'])} Available Stacks")
        for stack in found:
            is_next = stack["name"] == own["build_stack"]["name"] != own["stack"]["name"]
            mark = "*" if stack["name"] == own["stack"]["name"] else " "
            say(f"{mark} {stack['name']}" + (" (active on next deploy)" if is_next else ""))

    session.tell(found, show)


@command()
@click.argument("recipient")
@takes_app
@takes_confirm
@click.option("--locked", "-l", is_flag=True, help="Lock the app after the transfer.")
def transfer(session: Session, *, recipient: str, app: str, confirm: str | None, locked: bool) -> None:
    """Transfer an app to another user or team."""
    found = session.client.get(f"/apps/{segment(app)}")
    is_person, is_of_team = "@" in recipient, found["owner"]["email"].endswith("@herokumanager.com")
    warning = f"{paint('app', found['name'])} will belong to {recipient}."
    if is_person and is_of_team:
        warning += "\nAll collaborators will be removed from this app"
    ask_to_confirm(found["name"], confirm, warning)
    if is_person and not is_of_team:
        with action(f"Initiating transfer of {paint('app', app)} to {recipient}") as doing:
            reply = session.client.post("/account/app-transfers", {"app": found["name"], "recipient": recipient})
            doing.says = "email sent" if reply.get("state") == "pending" else "done"
    else:
        with action(f"Transferring {paint('app', app)} to {recipient}"):
            reply = session.client.patch(f"/teams/apps/{segment(app)}", {"owner": recipient})
    if locked:
        _set_locked(session, found["name"], True)
    session.tell(reply, lambda: None)


@command()
@takes_app
def lock(session: Session, *, app: str) -> None:
    """Prevent team members from joining an app."""
    session.tell(_set_locked(session, app, True), lambda: None)


@command()
@takes_app
def unlock(session: Session, *, app: str) -> None:
    """Allow team members to join an app."""
    session.tell(_set_locked(session, app, False), lambda: None)


def _set_locked(session: Session, app: str, is_locked: bool) -> Any:
    found = session.client.get(f"/teams/apps/{segment(app)}")
    verb = "lock" if is_locked else "unlock"
    if bool(found.get("locked")) is is_locked:
        why = "This app is already locked." if is_locked else "This app is not locked."
        raise BadRequest(f"cannot {verb} {found['name']}", why=why)
    with action(f"{verb.capitalize()}ing {paint('app', found['name'])}"):
        return session.client.patch(f"/teams/apps/{segment(found['name'])}", {"locked": is_locked})


@command()
@takes_app
def join(session: Session, *, app: str) -> None:
    """Add yourself to a team's app."""
    with action(f"Joining {paint('app', app)}"):
        email = session.client.get("/account")["email"]
        reply = session.client.post(f"/teams/apps/{segment(app)}/collaborators", {"user": email})
    session.tell(reply, lambda: None)


@command()
@takes_app
def leave(session: Session, *, app: str) -> None:
    """Remove yourself from a team's app."""
    with action(f"Leaving {paint('app', app)}"):
        email = session.client.get("/account")["email"]
        reply = session.client.delete(f"/apps/{segment(app)}/collaborators/{segment(email)}")
    session.tell(reply, lambda: None)
