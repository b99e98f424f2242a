"""Collaborators of an app."""

from __future__ import annotations

import click

from changeover.cli.resolve import Record
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import Column, action, paint, table
from changeover.client import segment
from changeover.errors import ChangeoverError, Misused


@command()
@takes_app
def index(session: Session, *, app: str) -> None:
    """List who has access to an app."""
    found = session.client.get(f"/apps/{segment(app)}")
    people = session.client.get(f"/apps/{segment(app)}/collaborators")
    if found.get("team"):
        people = [each for each in people if each.get("role") != "admin"] + _admins(session, found["team"]["name"])
    shown = sorted(
        (each for each in people if not each["user"]["email"].endswith("@herokumanager.com")),
        key=lambda each: str(each["user"]["email"]),
    )
    columns = [
        Column("email", lambda each: paint("info", each["user"]["email"])),
        Column("role", lambda each: each.get("role") or "collaborator"),
    ]
    if any(each.get("permissions") for each in shown):
        columns.append(Column("permissions", _permissions))
    session.tell(people, lambda: table(shown, columns))


def _permissions(person: Record) -> str:
    return ", ".join(sorted(each["name"] for each in person.get("permissions") or []))


def _admins(session: Session, team: str) -> list[Record]:
    """The team's admins, who may do everything. Empty if we have no right to see them."""
    try:
        members = session.client.get(f"/teams/{segment(team)}/members")
    except ChangeoverError as error:
        if error.id != "forbidden":
            raise
        return []
    permissions = session.client.get("/teams/permissions")
    admins = [each for each in members if each["role"] == "admin"]
    return [{**each, "user": {"email": each["email"]}, "permissions": permissions} for each in admins]


@command()
@click.argument("email")
@takes_app
@click.option("--permissions", "-p", help="Comma-separated: deploy, operate, manage. View is always included.")
def add(session: Session, *, email: str, app: str, permissions: str | None) -> None:
    """Add a collaborator to an app."""
    found = session.client.get(f"/apps/{segment(app)}")
    features = session.client.get(f"/teams/{segment(found['team']['name'])}/features") if found.get("team") else []
    text, path = f"Adding {paint('info', email)} access to the app {paint('app', app)}", "/apps"
    granted: Record = {"user": email}
    if not permissions and any(feature["name"] == "org-access-controls" for feature in features):
        raise Misused("Missing argument: permissions", fix="Repeat the command with --permissions deploy,operate.")
    if permissions:
        path, granted["permissions"] = "/teams/apps", sorted({*permissions.split(","), "view"})
        text += f" with {', '.join(granted['permissions'])} permissions"
    with action(text):
        reply = session.client.post(f"{path}/{segment(app)}/collaborators", granted)
    session.tell(reply, lambda: None)


@command()
@click.argument("email")
@takes_app
@click.option("--permissions", "-p", required=True, help="Comma-separated: deploy, operate, manage.")
def update(session: Session, *, email: str, app: str, permissions: str) -> None:
    """Change a collaborator's permissions on an app."""
    granted = sorted({*permissions.split(","), "view"})
    with action(
        f"Updating {paint('info', email)} in application {paint('app', app)} with {', '.join(granted)} permissions"
    ):
        reply = session.client.patch(
            f"/teams/apps/{segment(app)}/collaborators/{segment(email)}", {"permissions": granted}
        )
    session.tell(reply, lambda: None)


@command()
@click.argument("email")
@takes_app
def remove(session: Session, *, email: str, app: str) -> None:
    """Remove a collaborator from an app."""
    with action(f"Removing {paint('info', email)} access from the app {paint('app', app)}"):
        reply = session.client.delete(f"/apps/{segment(app)}/collaborators/{segment(email)}")
    session.tell(reply, lambda: None)
