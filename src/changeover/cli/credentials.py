"""Credentials of a database, and their connection URLs."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import click

from changeover.cli.addon_views import attachment_lines
from changeover.cli.resolve import Record, find_attachment
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import Column, paint, say, table
from changeover.client import segment
from changeover.errors import NotFound


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--no-wrap", is_flag=True, hidden=True)
def index(session: Session, *, database: str | None, app: str, no_wrap: bool) -> None:
    """List a database's credentials and their attachments."""
    del no_wrap  # our tables never wrap
    addon = find_attachment(session.client, app, database or "DATABASE_URL")["addon"]
    found = session.client.get(f"/postgres/v0/databases/{segment(addon['id'])}/credentials")
    attachments = session.client.get(f"/addons/{segment(addon['id'])}/addon-attachments")
    found.sort(key=lambda each: (each["name"] != "default", each["name"]))

    def with_attachments(credential: Record) -> str:
        namespace = None if credential["name"] == "default" else f"credential:{credential['name']}"
        own = [each for each in attachments if each.get("namespace") == namespace]
        own.sort(key=lambda each: (each["app"]["name"] != app, each["name"]))
        return "\n".join([paint("name", credential["name"]), *attachment_lines(own, app)]) + "\n"

    columns = [Column("Credential", with_attachments), Column("State", lambda credential: credential["state"])]
    session.tell(found, lambda: table(found, columns))


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--name", "-n", default="default", show_default=True, help="Credential to show.")
def url(session: Session, *, database: str | None, app: str, name: str) -> None:
    """Show the connection information of a database."""
    addon = find_attachment(session.client, app, database or "DATABASE_URL")["addon"]
    found = session.client.get(f"/postgres/v0/databases/{segment(addon['name'])}/credentials/{segment(name)}")
    active = next((each for each in found["credentials"] if each["state"] == "active"), None)
    if active is None:
        raise NotFound(
            f"Could not find any active credentials for {name}", fix=f"See `changeover pg:credentials --app {app}`."
        )
    parts = {key: found[key] for key in ("database", "host", "port")} | {
        key: active[key] for key in ("user", "password")
    }
    parameters = found.get("parameters") or {}
    address = connection_url(parts) + (f"?{urlencode(parameters, quote_via=quote)}" if parameters else "")

    def show() -> None:
        say(f"Connection information for {paint('name', name)} credential.")
        say("Connection info string:")
        rest = " ".join(f"{key}={value}" for key, value in ({"sslmode": "require"} | parameters).items())
        say(
            '  "dbname={database} host={host} port={port} user={user} password={password} {rest}"'.format(
                rest=rest, **parts
            )
        )
        say(f"Connection URL:\n  {address}\n")

    session.tell({**parts, "name": name, "url": address}, show)


def connection_url(parts: Record) -> str:
    user, password, database = (quote(str(parts[key]), safe="") for key in ("user", "password", "database"))
    secret = f":{password}" if password else ""
    host = f"[{parts['host']}]" if ":" in parts["host"] else parts["host"]
    return f"postgres://{user}{secret}@{host}:{parts['port']}/{database}"
