"""Dynos: list, restart, stop, wait. formation.py has their number and size."""

from __future__ import annotations

from typing import Any

import click

from changeover.cli.releases import ago
from changeover.cli.resolve import Record
from changeover.cli.session import Command, Session, command, takes_app
from changeover.cli.terminal import action, header, paint, say, warn
from changeover.cli.waiting import progress
from changeover.client import poll, segment
from changeover.errors import Misused, NotFound


@command()
@click.argument("types", metavar="[TYPE]...", nargs=-1)
@takes_app
@click.option("--no-wrap", is_flag=True, hidden=True)
def index(session: Session, *, types: tuple[str, ...], app: str, no_wrap: bool) -> None:
    """List an app's dynos."""
    del no_wrap  # we never wrap
    whole = session.client.get(f"/apps/{segment(app)}")
    dynos = [shown_size(dyno, whole) for dyno in session.client.get(f"/apps/{segment(app)}/dynos")]
    for missing in [kind for kind in types if kind not in {dyno["type"] for dyno in dynos}]:
        raise NotFound(
            f"No {missing} dynos on {app}",
            fix=f"See its process types: `changeover ps:scale --app {app}`.",
        )
    dynos = sorted((dyno for dyno in dynos if not types or dyno["type"] in types), key=lambda dyno: str(dyno["name"]))
    session.tell(dynos, lambda: _show(dynos, app))


def shown_size(sized: Record, app: Record) -> Record:
    """`sized` with the official name of its size, which differs in Shield spaces."""
    if sized.get("size") and (app.get("space") or {}).get("shield"):
        return {**sized, "size": sized["size"].replace("Private-", "Shield-")}
    return sized


def _show(dynos: list[Record], app: str) -> None:
    if not dynos:
        say(f"No dynos on {paint('app', app)}")
        return
    one_offs = sorted((dyno for dyno in dynos if dyno["type"] == "run"), key=_number)
    if one_offs:
        header(f"{paint('label', 'run')}: one-off processes ({len(one_offs)})")
        for dyno in one_offs:
            say(f"{dyno['name']} ({paint('info', _size(dyno))}): {_state(dyno)}: {dyno['command']}")
        say()
    for text in dict.fromkeys(dyno["command"] for dyno in dynos if dyno["type"] != "run"):
        alike = sorted((dyno for dyno in dynos if dyno["command"] == text and dyno["type"] != "run"), key=_number)
        kind = paint("label", alike[0]["type"])
        header(f"{kind} ({paint('info', _size(alike[0]))}): {text} ({len(alike)})")
        for dyno in alike:
            say(f"{dyno['name']}: {_state(dyno)}")
        say()


def _size(dyno: Record) -> str:
    return str(dyno.get("size") or "1X")


def _state(dyno: Record) -> str:
    style = "good" if dyno["state"] == "up" else "caution"
    return f"{paint(style, dyno['state'])} {paint('quiet', ago(dyno['updated_at']))}"


def _number(dyno: Record) -> int:
    number = str(dyno["name"]).rpartition(".")[2]
    return int(number) if number.isdigit() else 0


def _takes_dynos(function: Command) -> Command:
    function = click.option("--process-type", "-p", "kind", metavar="TYPE", help="All dynos of this type.")(function)
    function = click.option("--dyno-name", "-d", "named", metavar="DYNO", help="Only this dyno.")(function)
    return click.argument("dyno", required=False)(function)


def _which(dyno: str | None, named: str | None, kind: str | None) -> tuple[str, str | None, str | None]:
    """A description of the selected dynos, and the dyno or the type if one was given."""
    if kind and (named or dyno):
        raise Misused("--dyno-name and --process-type exclude each other.", fix="Use only one of them.")
    if dyno:
        warn("DYNO is a deprecated argument. Use --dyno-name or --process-type instead.")
    name = named or dyno
    if kind:
        return f"all {paint('info', kind)} dynos", None, kind
    return (f"dyno {paint('name', name)}", name, None) if name else ("all dynos", None, None)


@command()
@takes_app
@_takes_dynos
def restart(session: Session, *, app: str, dyno: str | None, named: str | None, kind: str | None) -> None:
    """Restart an app's dynos: all, those of a type, or one."""
    words, name, kind = _which(dyno, named, kind)
    path = f"/formations/{segment(kind)}" if kind else f"/dynos/{segment(name)}" if name else "/dynos"
    with action(f"Restarting {words} on {paint('app', app)}"):
        reply = session.client.delete(f"/apps/{segment(app)}{path}")
    session.tell(reply, lambda: None)


@command()
@takes_app
@_takes_dynos
def stop(session: Session, *, app: str, dyno: str | None, named: str | None, kind: str | None) -> None:
    """Stop a dyno, or all dynos of a type. Dynos of the formation restart; one-off dynos don't."""
    words, name, kind = _which(dyno, named, kind)
    if not name and not kind:
        raise Misused(
            "Please specify a process type or dyno name to stop.",
            fix=f"Use --dyno-name or --process-type. `changeover ps --app {app}` lists them.",
        )
    path = f"/formations/{segment(kind)}" if kind else f"/dynos/{segment(name or '')}"
    with action(f"Stopping {words} on {paint('app', app)}"):
        reply = session.client.post(f"/apps/{segment(app)}{path}/actions/stop")
    session.tell(reply, lambda: None)


@command()
@takes_app
@click.option("--type", "-t", "kind", help="Only dynos of this type.")
@click.option("--with-run", "-R", is_flag=True, help="Include one-off dynos.")
@click.option("--wait-interval", "-w", type=float, default=1.0, show_default=True, help="Seconds between checks.")
def wait(session: Session, *, app: str, kind: str | None, with_run: bool, wait_interval: float) -> None:
    """Wait until every dyno runs the latest release."""
    if kind and with_run:
        raise Misused("--type and --with-run exclude each other.", fix="Leave one of them out.")
    path = f"/apps/{segment(app)}"
    newest = session.client.get(f"{path}/releases", order="version ..; max=1, order=desc")
    if not newest:
        warn(f"App {paint('app', app)} has no releases")
        session.tell([], lambda: None)
        return

    def fetch() -> list[Record]:
        dynos: list[Record] = session.client.get(f"{path}/dynos")
        passed_over = {"release"} if with_run else {"release", "run"}
        return [dyno for dyno in dynos if (dyno["type"] == kind if kind else True) and dyno["type"] not in passed_over]

    session.tell(_await(fetch, newest[0]["version"], wait_interval), lambda: None)


def _await(fetch: Any, version: int, every_s: float) -> list[Record]:
    """The dynos, once all of them are up with that release."""
    dynos: list[Record] = fetch()
    if all(_runs(dyno, version) for dyno in dynos):
        return dynos
    with progress(f"Waiting for every dyno to be running v{version}") as (doing, advance):
        for dynos in poll(fetch, every_s=every_s if every_s > 0 else 1.0):
            count = sum(_runs(dyno, version) for dyno in dynos)
            advance(f"{count} / {len(dynos)}", 100 * count / max(len(dynos), 1))
            if count == len(dynos):
                break
        doing.says = f"{count} / {len(dynos)}, done"
    return dynos


def _runs(dyno: Record, version: int) -> bool:
    return dyno["state"] == "up" and int((dyno.get("release") or {}).get("version") or 0) >= version
