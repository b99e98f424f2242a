"""Private spaces: list, create, show, wait, rename, destroy."""

from __future__ import annotations

import time

import click

from changeover.cli.resolve import Record
from changeover.cli.session import Command, Session, ask_to_confirm, command, takes_confirm
from changeover.cli.terminal import Column, action, header, paint, rows, table, warn
from changeover.client import poll, segment
from changeover.errors import ChangeoverError, Misused, NotFound, StepDeadline


def takes_space(function: Command) -> Command:
    """The space's name as an argument or as --space."""
    function = click.option("--space", "-s", help="Name of the space.")(function)
    return click.argument("name", metavar="[SPACE]", required=False)(function)


def _one_name(name: str | None, space: str | None) -> str:
    if found := space or name:
        return found
    raise Misused("Space name required.", fix="Repeat the command with --space NAME.")


@command()
@click.option("--team", "-t", help="Only the spaces of this team.")
def index(session: Session, *, team: str | None) -> None:
    """List spaces."""
    team = team or session.settings.team
    found = sorted(session.client.get("/spaces"), key=lambda space: str(space["name"]))
    found = [space for space in found if not team or space["team"]["name"] == team]

    def show() -> None:
        if not found:
            what = f"No spaces in {team}." if team else "You do not have access to any spaces."
            raise NotFound(what, fix="Create one: `changeover spaces:create NAME --team TEAM`.")
        columns = [
            Column("Name", lambda space: paint("space", space["name"])),
            Column("Team", lambda space: space["team"]["name"]),
            Column("Region", lambda space: space["region"]["name"]),
            Column("State", lambda space: space["state"]),
            Column("Generation", _generation),
            Column("Created At", lambda space: space["created_at"]),
        ]
        table(found, columns)

    session.tell(found, show)


@command()
@takes_space
@click.option("--team", "-t", help="Team of the space.")
@click.option("--region", help="Region of the space.")
@click.option("--cidr", help="RFC 1918 range for the space.")
@click.option("--data-cidr", help="RFC 1918 range for its data services.")
@click.option("--shield", is_flag=True, help="Make it a Shield space.")
@click.option("--generation", type=click.Choice(["cedar", "fir"]), default="cedar", hidden=True)
def create(
    session: Session,
    *,
    name: str | None,
    space: str | None,
    team: str | None,
    region: str | None,
    cidr: str | None,
    data_cidr: str | None,
    shield: bool,
    generation: str,
) -> None:
    """Create a space."""
    name, team = _one_name(name, space), team or session.settings.team
    if not team:
        raise Misused("Team name required.", fix="Repeat the command with --team TEAM, or set CHANGEOVER_TEAM.")
    optional = {"region": region, "cidr": cidr, "data_cidr": data_cidr, "shield": shield or None}
    body = {"name": name, "team": team, "generation": generation, "features": []}
    with action(f"Creating space {paint('space', name)} in team {paint('info', team)}"):
        made = session.client.post(
            "/spaces", body | {key: value for key, value in optional.items() if value is not None}
        )
    warn(f"Use {paint('code', 'changeover spaces:wait')} to track allocation.")
    session.tell(made, lambda: _show(made, made["region"]["name"]))


@command()
@takes_space
def info(session: Session, *, name: str | None, space: str | None) -> None:
    """Show details of a space."""
    found = _with_nat(session, session.client.get(f"/spaces/{segment(_one_name(name, space))}"))
    session.tell(found, lambda: _show(found, found["region"].get("description")))


@command()
@takes_space
@click.option("--interval", "-i", type=float, default=1.0, show_default=True, help="Seconds between checks.")
@click.option(
    "--timeout", "-t", type=float, default=1500.0, show_default=True, help="Maximum number of seconds to wait."
)
def wait(session: Session, *, name: str | None, space: str | None, interval: float, timeout: float) -> None:
    """Wait until a space is allocated."""
    name, deadline = _one_name(name, space), time.monotonic() + timeout
    with action(f"Waiting for space {paint('space', name)} to allocate"):
        for found in poll(lambda: session.client.get(f"/spaces/{segment(name)}"), every_s=interval):
            if found["state"] != "allocating":
                break
            if time.monotonic() > deadline:
                raise StepDeadline(
                    "Timeout waiting for space to become allocated.",
                    why=f"{name} is still {found['state']} after {timeout:g} s.",
                    fix="See `changeover runs` for details.",
                )
    found = _with_nat(session, found)
    session.tell(found, lambda: _show(found, found["region"].get("description")))


@command()
@takes_space
@takes_confirm
def destroy(session: Session, *, name: str | None, space: str | None, confirm: str | None) -> None:
    """Destroy a space."""
    name = _one_name(name, space)
    found = _with_nat(session, session.client.get(f"/spaces/{segment(name)}"))
    warning = f"Destructive Action\nThis command will destroy the space {paint('space', name)}"
    if addresses := _outbound(found):
        warning += (
            f"\nIts outbound addresses become available to others: {addresses}\nRemove them from your allowlists."
        )
    ask_to_confirm(name, confirm, warning)
    with action(f"Destroying space {paint('space', name)}"):
        gone = session.client.delete(f"/spaces/{segment(name)}")
    session.tell(gone, lambda: None)


@command()
@click.option("--from", "old", required=True, help="Its current name.")
@click.option("--to", "new", required=True, help="Its new name.")
def rename(session: Session, *, old: str, new: str) -> None:
    """Rename a space."""
    with action(f"Renaming space from {paint('space', old)} to {paint('info', new)}"):
        renamed = session.client.patch(f"/spaces/{segment(old)}", {"name": new})
    session.tell(renamed, lambda: None)


def _with_nat(session: Session, space: Record) -> Record:
    """The space with its outbound addresses, if any."""
    if space["state"] != "allocated":
        return space
    try:
        return {**space, "outbound_ips": session.client.get(f"/spaces/{segment(space['name'])}/nat")}
    except ChangeoverError as error:
        if error.id != "not_found":
            raise
        return space


def _outbound(space: Record) -> str | None:
    nat = space.get("outbound_ips")
    if not nat:
        return None
    return ", ".join(nat["sources"]) if nat["state"] == "enabled" else str(nat["state"])


def _generation(space: Record) -> str:
    generation = space.get("generation") or "cedar"
    return str(generation["name"] if isinstance(generation, dict) else generation)


def _show(space: Record, region: str | None) -> None:
    header(paint("space", space["name"]))
    rows(
        {
            "ID": space["id"],
            "Team": space["team"]["name"],
            "Region": region or space["region"]["name"],
            "CIDR": space.get("cidr"),
            "Data CIDR": space.get("data_cidr"),
            "State": space["state"],
            "Shield": "on" if space.get("shield") else "off",
            "Outbound IPs": _outbound(space),
            "Generation": _generation(space),
            "Created at": space["created_at"],
        }
    )
