"""Starts and follows backups, restores and copies. Ctrl-C ends only the command, not the work."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import click

from changeover.cli.addresses import address, is_address, place
from changeover.cli.pg import database_path
from changeover.cli.resolve import Record, find_attachment, url_var
from changeover.cli.session import Session, ask_to_confirm, command, takes_app, takes_confirm
from changeover.cli.terminal import action, mention, paint, say
from changeover.cli.waiting import progress
from changeover.client import Client, poll, segment
from changeover.errors import Misused, NotFound, Reported

Command = TypeVar("Command", bound=Callable[..., Any])
UNITS = ("B", "KB", "MB", "GB", "TB")


def path_of(app: str) -> str:
    return f"/client/v11/apps/{segment(app)}/transfers"


def size(count: float | None) -> str:
    """`1.05MB` in the official CLI's format. Empty if unknown."""
    if count is None:
        return ""
    for unit in UNITS:
        if count < 1024 or unit == UNITS[-1]:
            return f"{count:.2f}{unit}"
        count /= 1024
    raise AssertionError("the last unit has no limit")


def follows(function: Command) -> Command:
    """Options of long-running commands. `--verbose` shows the log as it grows."""
    function = click.option("--verbose", "-v", is_flag=True, help="Show its log during the work.")(function)
    function = click.option("--wait-interval", type=float, default=0.5, hidden=True)(function)
    return click.option("--detach", is_flag=True, help="Start it and return.")(function)


@command()
@click.argument("database", required=False)
@takes_app
@follows
def capture(
    session: Session, *, database: str | None, app: str, verbose: bool, wait_interval: float, detach: bool
) -> None:
    """Back up a database."""
    addon = find_attachment(session.client, app, database or "DATABASE_URL")["addon"]
    with action(f"Starting backup of {paint('datastore', addon['name'])}"):
        begun = session.client.post(f"{database_path(addon)}/backups")
    what = f"Backing up {paint('datastore', begun['from_name'])} to {paint('name', begun['name'])}"
    _follow(session, addon["app"]["name"], begun, what, verbose=verbose, every_s=wait_interval, detach=detach)


@command()
@click.argument("backup", required=False)
@click.argument("database", required=False)
@takes_app
@takes_confirm
@click.option("--extensions", "-e", help="Create these extensions first: hstore,myschema.pgcrypto.")
@follows
def restore(
    session: Session, *, backup: str | None, database: str | None, app: str, confirm: str | None,
    extensions: str | None, verbose: bool, wait_interval: float, detach: bool,
) -> None:  # fmt: skip
    """Replace the contents of a database with a backup: b001, APP::b001, a URL or a file."""
    addon = find_attachment(session.client, app, database or "DATABASE_URL")["addon"]
    name, url = _backup_address(session.client, app, backup)
    ask_to_confirm(
        app, confirm,
        f"Destructive action\nEverything in {paint('datastore', addon['name'])} will be replaced by {name}.",
    )  # fmt: skip
    wish = {"backup_url": url} | ({"extensions": extensions.split(",")} if extensions else {})
    with action(f"Starting restore of {paint('name', name)} to {paint('datastore', addon['name'])}"):
        begun = session.client.post(f"{database_path(addon)}/restores", wish)
    owner = addon["app"]["name"]
    _follow(session, owner, begun, "Restoring", verbose=verbose, every_s=wait_interval, detach=detach)


def _backup_address(client: Client, app: str, named: str | None) -> tuple[str, str]:
    """The backup's name, and the source for a restore of it. Raises NotFound."""
    if named and re.match(r"(https?|s3|file)://", named):
        return urlsplit(named).path.rpartition("/")[2] or "the backup", named
    if named and "::" not in named and Path(named).is_file():
        return named, Path(named).resolve().as_uri()
    if named and (apart := re.fullmatch(r"(.+?)::(.+)", named)):
        app, named = apart[1], apart[2]
    found = newest(client.get(path_of(app)), app) if named is None else client.get(f"{path_of(app)}/{segment(named)}")
    return found["name"], found["to_url"] or ""


def newest(transfers: list[Record], app: str) -> Record:
    """The newest complete backup. Raises NotFound."""
    complete = [one for one in transfers if one["succeeded"] and one["to_type"] == "gof3r"]
    if not complete:
        raise NotFound(f"No backups on {app}.", fix=f"Capture one: `changeover pg:backups:capture --app {app}`.")
    return max(complete, key=lambda one: (one["created_at"], one["num"]))


@command()
@click.argument("source")
@click.argument("target")
@takes_app
@takes_confirm
@follows
def copy(
    session: Session, *, source: str, target: str, app: str, confirm: str | None, verbose: bool, wait_interval: float,
    detach: bool,
) -> None:  # fmt: skip
    """Replace the contents of a database with those of another. One of them may be a URL, service=NAME or env:NAME."""
    origin, goal = _side(session.client, app, source, "SOURCE"), _side(session.client, app, target, "TARGET")
    ours = goal["addon"] or origin["addon"]
    if ours is None:
        raise Misused(
            "Neither of them is a database of this control plane.",
            fix="`changeover migrate SOURCE TARGET` copies between other databases.",
        )
    ask_to_confirm(
        goal["confirm"], confirm,
        f"Destructive action\nThis command will remove all data from {goal['name']}\n"
        f"Data from {origin['name']} will then be transferred to {goal['name']}",
    )  # fmt: skip
    wish = {"from_name": origin["name"], "from_url": origin["url"], "to_name": goal["name"], "to_url": goal["url"]}
    with action(f"Starting copy of {origin['name']} to {goal['name']}"):
        begun = session.client.post(f"{database_path(ours)}/transfers", wish)
    owner = ours["app"]["name"]
    _follow(session, owner, begun, "Copying", verbose=verbose, every_s=wait_interval, detach=detach)


def _side(client: Client, app: str, named: str, what: str) -> Record:
    if is_address(named):
        url = address(named, what)
        host, port, database = place(url, what)
        name = f"database {database} on {host}:{port}" if database else f"database on {host}:{port}"
        return {"name": name, "url": url, "confirm": database or host, "addon": None}
    attachment = find_attachment(client, app, named)
    config = client.get(f"/apps/{segment(attachment['app']['name'])}/config-vars")
    name = attachment["name"].removeprefix("HEROKU_POSTGRESQL_")
    return {"name": name, "url": config[url_var(attachment)], "confirm": name, "addon": attachment["addon"]}


def _follow(
    session: Session, app: str, begun: Record, what: str, *, verbose: bool, every_s: float, detach: bool
) -> None:
    """Follow it until its end. Raises its failure."""
    name = begun["name"]
    if detach:
        see = paint("code", f"changeover pg:backups:info {name} -a {app}")
        session.tell(begun, lambda: say(f"{paint('name', name)} has started. {see} shows its progress."))
        return
    mention(f"{paint('name', name)} continues after Ctrl-C. pg:backups:cancel {name} stops it.")
    seen, shown = begun, 0
    with progress(what) as (doing, advance):
        for seen in poll(lambda: session.client.get(f"{path_of(app)}/{begun['uuid']}"), every_s=max(0.1, every_s)):
            advance(how_far(seen), (seen["progress"] or {}).get("percent"))
            if verbose:
                for line in seen["logs"][shown:]:
                    mention(f"{line['created_at']} {line['message']}")
                shown = len(seen["logs"])
            if seen["finished_at"]:
                break
        doing.says = f"done, {size(seen['processed_bytes'])}" if seen["succeeded"] else "failed"
    if not seen["succeeded"]:
        raise _failure(session.client, app, seen)
    if seen["warnings"]:
        for line in (line for line in seen["logs"] if line["level"] == "warning"):
            session.client.warn(line["message"])
    session.tell(seen, lambda: None)


def how_far(seen: Record) -> str:
    """`table public.orders, 12.40MB, 3.10MB/s, 40 s left`."""
    if not seen["started_at"]:
        return "waiting for its turn" if seen["run"] is None else "pending"
    now = seen["progress"] or {}
    parts = [now.get("says") or "", size(seen["processed_bytes"])]
    if now.get("bytes_per_s"):
        parts.append(f"{size(now['bytes_per_s'])}/s")
    if now.get("seconds_left") is not None:
        parts.append(f"{now['seconds_left']:.0f} s left")
    return ", ".join(part for part in parts if part)


def _failure(client: Client, app: str, seen: Record) -> Reported:
    """The failure of the run, or else the last line of its log."""
    run = client.get(f"/changeover/v1/runs/{seen['run']}") if seen["run"] else {}
    said = seen["logs"][-1]["message"] if seen["logs"] else ""
    info = f"changeover pg:backups:info {seen['name']} -a {app}"
    return Reported(
        run.get("error")
        or {"id": "backup_failed", "what": f"{seen['name']} failed.", "why": said, "fix": f"See `{info}`."}
    )
