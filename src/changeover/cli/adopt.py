"""`pg:adopt`: attaches an external database to an app as an add-on."""

from __future__ import annotations

from typing import Any

import click

from changeover.cli.addresses import address
from changeover.cli.session import Session, command, takes_app, takes_confirm, with_confirmation
from changeover.cli.terminal import action, paint, say
from changeover.client import segment


@command()
@click.argument("source")
@takes_app
@click.option("--as", "alias", help="Name for the attachment.")
@takes_confirm
def adopt(session: Session, *, source: str, app: str, alias: str | None, confirm: str | None) -> None:
    """Attach an external database to an app as an add-on. The database itself is not changed.

    SOURCE is a URL, service=NAME or env:NAME. With the --as of an earlier call, renews its address and password.
    """
    body = {"source": address(source)} | ({"as": alias} if alias else {})

    def request(confirmed: str | None) -> Any:
        with action(f"Adopting a database on {paint('app', app)}") as doing:
            whole = body | ({"confirm": confirmed} if confirmed else {})
            done = session.client.post(f"/changeover/v1/apps/{segment(app)}/adopted-databases", whole)
            doing.says = "address renewed" if done["was_known"] else "done"
        return done

    done = with_confirmation(app, confirm, request)

    def show() -> None:
        name, var = paint("addon", done["addon"]["name"]), paint("name", f"{done['attachment']['name']}_URL")
        if done["was_known"]:
            say(f"{var} has the new address of {name} on every app to which it is attached.")
        else:
            say(f"{name} is attached as {var}. The database still runs on the same server.")

    session.tell(done, show)
