"""The audit trail."""

from __future__ import annotations

import click

from changeover.cli.resolve import Record
from changeover.cli.session import Session, command
from changeover.cli.terminal import Column, say, table
from changeover.client import segment


@command()
@click.option("--app", "-a", "of_app", help="Only events of this app, which you must manage.")
@click.option("--num", "-n", "most", type=click.IntRange(1, 1000), default=100, help="Maximum number of events.")
def index(session: Session, *, of_app: str | None, most: int) -> None:
    """List events of the audit trail, newest first."""
    app = f"&app={segment(of_app)}" if of_app else ""
    found = session.client.get(f"/changeover/v1/audit?most={most}{app}")
    columns = [
        Column("At", lambda event: event["at"]),
        Column("Account", lambda event: event["account"] or ""),
        Column("From", lambda event: event["address"] or ""),
        Column("Action", lambda event: event["action"]),
        Column("App", lambda event: event["app"]["name"] if event["app"] else ""),
        Column("About", lambda event: event["resource"] or ""),
        Column("Outcome", _outcome),
    ]
    session.tell(found, lambda: table(found, columns) if found else say("No events."))


def _outcome(event: Record) -> str:
    why = f" ({event['error']})" if event["error"] else ""
    times = f", {event['times']} times" if event["times"] > 1 else ""
    return f"{event['outcome']}{why}{times}"
