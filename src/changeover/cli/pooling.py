"""Connection pooling: attaches a pool of connections to a database."""

from __future__ import annotations

import click

from changeover.cli.pg import database_path
from changeover.cli.resolve import Record, find_attachment
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import action, paint
from changeover.client import segment


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--as", "alias", help="Name for the attachment, instead of DATABASE_CONNECTION_POOL.")
def attach(session: Session, *, database: str | None, app: str, alias: str | None) -> None:
    """Attach a connection pool of a database to an app."""
    client = session.client
    addon = find_attachment(client, app, database or "DATABASE_URL")["addon"]
    body: Record = {"app": app, "credential": "default"} | ({"name": alias} if alias else {})
    with action(f"Enabling Connection Pooling on {paint('addon', addon['name'])} to {paint('app', app)}"):
        made = client.post(f"{database_path(addon)}/connection-pooling", body)
    with action(f"Setting {paint('attachment', made['name'])} config vars and restarting {paint('app', app)}") as doing:
        releases = client.get(f"/apps/{segment(app)}/releases", order="version ..; max=1, order=desc")
        doing.says = f"done, v{releases[0]['version']}"
    session.tell(made, lambda: None)
