"""The formation: number and size of the dynos of each process type. ps.py has the dynos themselves."""

from __future__ import annotations

import re

import click

from changeover.cli.addon_views import price
from changeover.cli.ps import shown_size
from changeover.cli.resolve import Record
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import Column, action, header, paint, say, table
from changeover.client import segment
from changeover.errors import Misused, NotFound

_SCALE = re.compile(r"([\w-]+?)([=+-]\d+)(?::([\w-]+))?")
_TYPE = re.compile(r"([\w-]+)=([\w-]+)")


@command()
@click.argument("changes", metavar="[TYPE=QUANTITY[:SIZE]]...", nargs=-1)
@takes_app
def scale(session: Session, *, changes: tuple[str, ...], app: str) -> None:
    """Show or change the number of dynos of each type: `ps:scale web=2:Standard-2X worker+1`."""
    updates = [scaling(change) for change in changes]
    if not updates:
        found = _formation(session, app)
        shown = sorted(f"{each['type']}={each['quantity']}:{each['size']}" for each in found)
        session.tell(found, lambda: say(" ".join(shown)))
        return
    with action("Scaling dynos") as doing:
        whole = session.client.get(f"/apps/{segment(app)}")
        answer = session.client.patch(f"/apps/{segment(app)}/formation", {"updates": updates})
        changed = [shown_size(each, whole) for each in answer if each["type"] in {update["type"] for update in updates}]
        now = [f"{paint('good', each['type'])} at {each['quantity']}:{each['size']}" for each in changed]
        doing.says = f"done, now running {', '.join(now)}"
    session.tell(changed, lambda: None)


def scaling(change: str) -> Record:
    """`web=2:Standard-2X`, `worker+1`, `worker-1` as an update for the API. Raises Misused if it is none of these."""
    if not (given := _SCALE.fullmatch(change)):
        raise Misused(
            f"{change} is not a valid change.",
            why="It must be a process type followed by =N, +N or -N with a whole number, and optionally a size.",
            fix="Use web=2, worker+1 or web=1:Standard-2X.",
        )
    kind, quantity, size = given.groups()
    update = {"type": kind, "quantity": quantity.removeprefix("=")}
    return update | ({"size": size.replace("Shield-", "Private-")} if size else {})


def _formation(session: Session, app: str) -> list[Record]:
    """The app's process types. Raises NotFound when there are none."""
    found = session.client.get(f"/apps/{segment(app)}/formation")
    if not found:
        raise NotFound(
            f"No process types on {app}.",
            why="Upload a Procfile to add process types.",
            fix=f"Write one line for each, such as `web: python app.py`, and `changeover deploy DIR --app {app}`.",
        )
    whole = session.client.get(f"/apps/{segment(app)}")
    return [shown_size(each, whole) for each in found]


@command()
@click.argument("changes", metavar="[SIZE | TYPE=SIZE...]", nargs=-1)
@takes_app
def type_(session: Session, *, changes: tuple[str, ...], app: str) -> None:
    """Show or change the sizes of dynos: `ps:type standard-2x` for all, `ps:type web=standard-2x` for a type."""
    if changes:
        updates = resizing(changes, [each["type"] for each in _formation(session, app)])
        with action(f"Scaling dynos on {paint('app', app)}"):
            session.client.patch(f"/apps/{segment(app)}/formation", {"updates": updates})
    found = sorted(_formation(session, app), key=lambda each: str(each["type"]))
    session.tell(found, lambda: _show(found, _prices(session)))


def resizing(changes: tuple[str, ...], kinds: list[str]) -> list[Record]:
    """One size for all of `kinds`, or TYPE=SIZE for some. Raises Misused for an unknown type."""
    if not any("=" in change for change in changes):
        if len(changes) > 1:
            raise Misused(
                "A single SIZE applies to all process types.", fix="Use TYPE=SIZE for each type, or one SIZE."
            )
        return [{"type": kind, "size": changes[0]} for kind in kinds]
    updates = []
    for change in changes:
        given = _TYPE.fullmatch(change)
        if not given or given[1] not in kinds:
            raise Misused(
                f"Type {change.partition('=')[0]} not found in process formation.",
                why=f"Types: {', '.join(kinds)}",
                fix="Repeat the command with one of these types, as TYPE=SIZE.",
            )
        updates.append({"type": given[1], "size": given[2]})
    return updates


def _prices(session: Session) -> dict[str, Record]:
    sizes = session.client.get("/dyno-sizes")
    return {str(size["name"]).lower(): size["cost"] for size in sizes if size.get("cost")}


def _show(formation: list[Record], prices: dict[str, Record]) -> None:
    def cost(each: Record, *, hourly: bool) -> str:
        one = prices.get(each["size"].lower().replace("shield-", "private-"))
        count = max(each["quantity"], 1) if hourly else each["quantity"]
        text = price({**one, "cents": one["cents"] * count}, hourly=hourly) if one else ""
        return text.removesuffix("/hour").removesuffix("/month")

    header("Process Types")
    columns = [
        Column("type", lambda each: paint("name", each["type"])),
        Column("size", lambda each: paint("info", each["size"])),
        Column("qty", lambda each: paint("info", each["quantity"])),
        Column("cost/hour", lambda each: cost(each, hourly=True)),
        Column("max cost/month", lambda each: cost(each, hourly=False)),
    ]
    table(formation, columns)
    header("Dyno Totals")
    totals = {size: sum(each["quantity"] for each in formation if each["size"] == size) for size in _sizes(formation)}
    columns = [
        Column("type", lambda size: paint("name", size)),
        Column("total", lambda size: paint("info", totals[size])),
    ]
    table(totals, columns)


def _sizes(formation: list[Record]) -> list[str]:
    return list(dict.fromkeys(each["size"] for each in formation))
