"""The current account, its token, and further tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import click

from changeover.cli.resolve import Record
from changeover.cli.session import Session, command
from changeover.cli.terminal import Column, action, paint, rows, say, table
from changeover.client import segment


@command()
def whoami(session: Session) -> None:
    """Show the current account."""
    account = session.client.get("/account")
    session.tell(account, lambda: say(account["email"]))


@command()
def token(session: Session) -> None:
    """Print the current token."""
    session.tell({"token": session.endpoint.token}, lambda: say(session.endpoint.token))


@command()
def index(session: Session) -> None:
    """List tokens."""
    found = sorted(session.client.get("/oauth/authorizations"), key=lambda each: str(each["description"]))

    def show() -> None:
        if not found:
            say("No OAuth authorizations.")
            return
        columns = [
            Column("Description", lambda each: paint("name", each["description"])),
            Column("ID", lambda each: each["id"]),
            Column("Scope", lambda each: ",".join(each["scope"])),
        ]
        table(found, columns)

    session.tell(found, show)


@command()
@click.option("--description", "-d", help="Description of the token.")
@click.option("--scope", "-s", help="identity, read, read-protected, write, write-protected or global (the default).")
@click.option("--expires-in", "-e", type=click.IntRange(1), help="Seconds until it expires.")
@click.option("--user", "-u", help="Account of the token; only the operator can choose another.")
@click.option("--short", "-S", is_flag=True, help="Only print the token.")
def create(
    session: Session,
    *,
    description: str | None,
    scope: str | None,
    expires_in: int | None,
    user: str | None,
    short: bool,
) -> None:
    """Create a token."""
    given = {"description": description, "scope": scope.split(",") if scope else None, "user": user}
    body: Record = {key: value for key, value in given.items() if value}
    body |= {"expires_in": str(expires_in)} if expires_in else {}
    with action("Creating OAuth Authorization"):
        made = session.client.post("/oauth/authorizations", body)
    session.tell(made, lambda: say(made["access_token"]["token"]) if short else _show(made))


@command()
@click.argument("authorization_id", metavar="ID")
def info(session: Session, *, authorization_id: str) -> None:
    """Show details of a token."""
    found = session.client.get(_path(authorization_id))
    session.tell(found, lambda: _show(found))


@command()
@click.argument("authorization_id", metavar="ID")
def revoke(session: Session, *, authorization_id: str) -> None:
    """Revoke a token."""
    with action("Revoking OAuth Authorization") as doing:
        gone = session.client.delete(_path(authorization_id))
        doing.says = f"done, revoked authorization from {paint('info', gone['description'])}"
    session.tell(gone, lambda: None)


@command()
@click.argument("authorization_id", metavar="ID")
def rotate(session: Session, *, authorization_id: str) -> None:
    """Replace a token with a new one."""
    with action("Rotating OAuth Authorization"):
        changed = session.client.post(f"{_path(authorization_id)}/actions/regenerate-tokens")
    session.tell(changed, lambda: _show(changed))


@command()
@click.argument("authorization_id", metavar="ID")
@click.option("--description", "-d", required=True, help="Description of the token.")
def update(session: Session, *, authorization_id: str, description: str) -> None:
    """Change a token's description."""
    with action("Updating OAuth Authorization"):
        changed = session.client.patch(_path(authorization_id), {"description": description})
    session.tell(changed, lambda: _show(changed))


def _path(authorization_id: str) -> str:
    return f"/oauth/authorizations/{segment(authorization_id)}"


def _show(authorization: Record) -> None:
    access: Record = authorization.get("access_token") or {}
    client: Record = authorization.get("client") or {}
    rows(
        {
            "Client": client.get("name", "<none>"),
            "Redirect URI": client.get("redirect_uri"),
            "ID": authorization["id"],
            "Description": authorization["description"],
            "Scope": ",".join(authorization.get("scope") or []) or None,
            "Token": access.get("token"),
            "Expires at": _expiry(access.get("expires_in")),
            "Updated at": authorization.get("updated_at"),
        }
    )


def _expiry(expires_in: Any) -> str | None:
    if not expires_in:
        return None
    return (datetime.now(UTC) + timedelta(seconds=int(expires_in))).strftime("%Y-%m-%dT%H:%M:%SZ")
