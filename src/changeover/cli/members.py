"""The members of a team."""

from __future__ import annotations

import click

from changeover.cli.session import Command, Session, command
from changeover.cli.terminal import Column, action, paint, say, table
from changeover.client import segment
from changeover.errors import Misused

ROLES = ("admin", "collaborator", "member", "viewer")


def _takes_team(function: Command) -> Command:
    return click.option("--team", "-t", help="Team to use (default: CHANGEOVER_TEAM).")(function)


def _takes_role(function: Command) -> Command:
    return click.option(
        "--role", "-r", type=click.Choice(ROLES), required=True, help="Role of the account in the team."
    )(function)


def _path(session: Session, team: str | None) -> str:
    """Raises Misused if no team is given."""
    named = team or session.settings.team
    if not named:
        raise Misused("No team given.", fix="Repeat the command with --team NAME; `changeover teams` lists yours.")
    return f"/teams/{segment(named)}/members"


@command()
@_takes_team
@click.option("--role", "-r", type=click.Choice(ROLES), help="Only members with this role.")
def index(session: Session, *, team: str | None, role: str | None) -> None:
    """List the members of a team."""
    found = [one for one in session.client.get(_path(session, team)) if role in (None, one["role"])]
    columns = [Column("Email", lambda one: paint("info", one["email"])), Column("Role", lambda one: one["role"])]
    session.tell(found, lambda: table(found, columns) if found else say("No members."))


@command()
@click.argument("email")
@_takes_team
@_takes_role
def add(session: Session, *, email: str, team: str | None, role: str) -> None:
    """Add an account to a team."""
    path = _path(session, team)
    with action(f"Adding {paint('info', email)} to the team as {role}"):
        reply = session.client.put(path, {"email": email, "role": role})
    session.tell(reply, lambda: None)


@command()
@click.argument("email")
@_takes_team
@_takes_role
def set_(session: Session, *, email: str, team: str | None, role: str) -> None:
    """Change the role of a team's member."""
    path = _path(session, team)
    with action(f"Setting the role of {paint('info', email)} to {role}"):
        reply = session.client.patch(path, {"email": email, "role": role})
    session.tell(reply, lambda: None)


@command()
@click.argument("email")
@_takes_team
def remove(session: Session, *, email: str, team: str | None) -> None:
    """Remove an account from a team and from its apps."""
    path = _path(session, team)
    with action(f"Removing {paint('info', email)} from the team"):
        reply = session.client.delete(f"{path}/{segment(email)}")
    session.tell(reply, lambda: None)
