"""Teams and regions."""

from __future__ import annotations

import click

from changeover.cli.session import Session, command
from changeover.cli.terminal import Column, table


@command()
def index(session: Session) -> None:
    """List the teams that you belong to."""
    found = sorted(session.client.get("/teams"), key=lambda team: str(team["name"]))
    columns = [Column("Team", lambda team: team["name"]), Column("Role", lambda team: team.get("role") or "")]
    session.tell(found, lambda: table(found, columns))


@command()
@click.option("--private", is_flag=True, help="Only regions for private spaces.")
@click.option("--common", is_flag=True, help="Only regions of the common runtime.")
def regions(session: Session, *, private: bool, common: bool) -> None:
    """List the regions for apps and spaces."""
    found = sorted(session.client.get("/regions"), key=lambda region: (region["private_capable"], region["name"]))
    if private or common:
        found = [region for region in found if region["private_capable"] is private]
    columns = [
        Column("ID", lambda region: region["name"]),
        Column("Location", lambda region: region["description"]),
        Column("Runtime", lambda region: "Private Spaces" if region["private_capable"] else "Common Runtime"),
    ]
    session.tell(found, lambda: table(found, columns))
