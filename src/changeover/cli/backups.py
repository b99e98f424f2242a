"""Backups: list, show, download, verify, delete, cancel, schedule."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import click

from changeover.cli.pg import database_path
from changeover.cli.resolve import Record, all_databases, find_attachment
from changeover.cli.session import Session, ask_to_confirm, command, takes_app, takes_confirm
from changeover.cli.terminal import Column, action, header, paint, rows, say, table
from changeover.cli.transfers import how_far, newest, path_of, size
from changeover.cli.waiting import progress
from changeover.client import poll, segment, streamed
from changeover.errors import Misused, NoAnswer, NotFound, Reported

ZONES = {
    "BST": "Europe/London", "CDT": "America/Chicago", "CEST": "Europe/Paris", "CET": "Europe/Paris",
    "CST": "America/Chicago", "EDT": "America/New_York", "EST": "America/New_York", "GMT": "Europe/London",
    "MDT": "America/Boise", "MST": "America/Boise", "PDT": "America/Los_Angeles", "PST": "America/Los_Angeles",
    "Z": "UTC",
}  # fmt: skip
READ_BYTES = 2**20
ATTEMPTS = 5
SILENCE_S = 60.0
Told = Callable[[int, int], None]
"""Downloaded and total bytes."""


@command()
@takes_app
def index(session: Session, *, app: str) -> None:
    """List an app's backups, restores and copies, newest first."""
    found = session.client.get(path_of(app))
    session.tell(found, lambda: _show_all(found))


def _show_all(found: list[Record]) -> None:
    kinds = {name: [one for one in found if one["name"][0] in letters] for name, letters in
             (("Backups", "ab"), ("Restores", "r"), ("Copies", "c"))}  # fmt: skip
    hints = {"Backups": "No backups. Capture one with pg:backups:capture", "Restores": "No restores.",
             "Copies": "No copies."}  # fmt: skip
    for title, listed in kinds.items():
        header(title)
        if listed:
            table(listed if title == "Backups" else listed[:10], _columns(title))
        else:
            say(f"{hints[title]}\n")


def _columns(title: str) -> list[Column]:
    name = Column("ID", lambda one: paint("name", one["name"]))
    common = [Column("Status", status), Column("Size", lambda one: size(one["processed_bytes"]))]
    if title == "Backups":
        named = [Column("Database", lambda one: one["from_name"]), Column("Verified", lambda one: verified(one) or "")]
        return [name, Column("Created at", lambda one: one["created_at"]), *common, *named]
    sides = [Column("From", lambda one: one["from_name"]), Column("To", lambda one: one["to_name"])]
    return [name, Column("Started at", lambda one: one["created_at"]), *common, *sides]


def status(one: Record) -> str:
    """The status in one cell."""
    if one["succeeded"]:
        return f"Finished with {one['warnings']} warnings" if one["warnings"] else f"Completed {one['finished_at']}"
    if one["finished_at"]:
        return f"{'Canceled' if one['canceled_at'] else 'Failed'} {one['finished_at']}"
    return f"Running ({how_far(one)})" if one["started_at"] else "Pending"


def verified(one: Record) -> str | None:
    """Time and result of the last test restore into a scratch server. None if there was none."""
    found = one["verified"]
    if found is None:
        return None
    day = found["at"][:10]
    return f"{day}: {found['error']}" if "error" in found else f"{day}, {found['tables']} tables, {found['rows']} rows"


@command()
@click.argument("backup", required=False)
@takes_app
def info(session: Session, *, backup: str | None, app: str) -> None:
    """Show details of a backup, restore or copy, by default the newest backup."""
    name = backup or _newest_of_any(session.client.get(path_of(app)), app)["name"]
    found = session.client.get(f"{path_of(app)}/{segment(name)}")
    session.tell(found, lambda: _show(found))


def _newest_of_any(found: list[Record], app: str) -> Record:
    backups = [one for one in found if one["to_type"] == "gof3r"]
    return backups[0] if backups else newest([], app)


def _show(found: Record) -> None:
    done = found["finished_at"] and found["source_bytes"]
    saved = (
        f" ({max(0, round(100 - 100 * found['processed_bytes'] / found['source_bytes']))}% compression)" if done else ""
    )
    header(f"Backup {paint('name', found['name'])}")
    rows(
        {
            "Database": found["from_name"]
            if found["to_name"] == "BACKUP"
            else f"{found['from_name']} to {found['to_name']}",
            "Started at": found["started_at"],
            "Finished at": found["finished_at"],
            "Status": status(found),
            "Type": "Scheduled" if found["schedule"] else "Manual",
            "Original DB Size": size(found["source_bytes"]) or None,
            "Backup Size": f"{size(found['processed_bytes'])}{saved}",
            "Verified": verified(found),
        }
    )
    say()
    header("Backup Logs")
    for line in found["logs"]:
        say(f"{line['created_at']} {line['message']}")


@command()
@click.argument("backup", required=False)
@takes_app
def url(session: Session, *, backup: str | None, app: str) -> None:
    """Print a public download URL for a backup, valid for an hour."""
    found = _public_url(session, app, backup)
    session.tell(found, lambda: say(found["url"]))


def _public_url(session: Session, app: str, backup: str | None) -> Record:
    name = backup or newest(session.client.get(path_of(app)), app)["name"]
    answer: Record = session.client.post(f"{path_of(app)}/{segment(name)}/actions/public-url")
    return {"name": name, **answer}


@command()
@click.argument("backup", required=False)
@takes_app
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Output file (default: latest.dump)."
)
def download(session: Session, *, backup: str | None, app: str, output: Path | None) -> None:
    """Download a backup. Resumes after a lost connection."""
    target = output or _free_name()
    with action(f"Getting backup from {paint('app', app)}") as doing:
        found = _public_url(session, app, backup)
        doing.says = f"done, {found['name']}"
    part = target.with_name(f"{target.name}.part")
    try:
        with progress(f"Downloading {target}") as (doing, advance), part.open("wb") as file:
            _download(
                found["url"], file, lambda done, total: advance(size(done), 100 * done / total if total else None)
            )
            doing.says = f"done, {size(file.tell())}"
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)
    session.tell({"file": str(target), "bytes": target.stat().st_size}, lambda: None)


def _free_name() -> Path:
    plain, number = Path("latest.dump"), 1
    while (name := plain).exists():
        plain, number = Path(f"latest.dump.{number}"), number + 1
    return name


def _download(address: str, file: IO[bytes], told: Told) -> None:
    """Raises NoAnswer if the connection is lost too often, Reported if the server refuses."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _take(address, file, told)
        except (OSError, http.client.HTTPException, NoAnswer) as lost:
            if attempt == ATTEMPTS:
                host = urlsplit(address).netloc
                raise NoAnswer(
                    f"The download from {host} was interrupted {ATTEMPTS} times.", why=str(lost), fix="Try again."
                ) from lost
        else:
            return


def _take(address: str, file: IO[bytes], told: Told) -> None:
    begun = {"Range": f"bytes={file.tell()}-"} if file.tell() else {}
    with streamed(address, headers=begun, timeout_s=SILENCE_S) as answer:
        if answer.status not in (200, 206):
            raise Reported(
                {
                    "id": "backup_gone", "what": "The backup can't be downloaded.",
                    "why": f"The answer was {answer.status} {answer.reason}.", "fix": "Repeat the command to get a new URL.",
                }
            )  # fmt: skip
        if answer.status == 200:
            file.seek(0)
            file.truncate()
        total = file.tell() + int(answer.headers.get("Content-Length") or 0)
        while chunk := answer.read1(READ_BYTES):
            file.write(chunk)
            told(file.tell(), total)
        if file.tell() < total:
            raise http.client.IncompleteRead(b"", total - file.tell())


@command()
@click.argument("backup")
@takes_app
@takes_confirm
def delete(session: Session, *, backup: str, app: str, confirm: str | None) -> None:
    """Permanently delete a backup."""
    ask_to_confirm(app, confirm)
    with action(f"Deleting backup {paint('name', backup)} on {paint('app', app)}"):
        gone = session.client.delete(f"{path_of(app)}/{segment(backup)}")
    session.tell(gone, lambda: None)


@command()
@click.argument("backup", required=False)
@takes_app
def cancel(session: Session, *, backup: str | None, app: str) -> None:
    """Cancel a backup, restore or copy, by default the newest one in progress."""
    if backup is None:
        under_way = [one for one in session.client.get(path_of(app)) if not one["finished_at"]]
        if not under_way:
            raise NotFound("No active backups/transfers.", fix=f"`changeover pg:backups -a {app}` lists all of them.")
        backup = str(under_way[0]["name"])
    path = f"{path_of(app)}/{segment(backup)}"
    with action(f"Cancelling {paint('name', backup)}"):
        told = session.client.post(f"{path}/actions/cancel")
        for told in poll(lambda: session.client.get(path), every_s=0.2):
            if told["finished_at"]:
                break
    session.tell(told, lambda: None)


@command()
@click.argument("backup", required=False)
@takes_app
def verify(session: Session, *, backup: str | None, app: str) -> None:
    """Verify a backup by restoring it into a scratch server."""
    name = backup or newest(session.client.get(path_of(app)), app)["name"]
    begun = session.client.post(f"/changeover/v1/apps/{segment(app)}/backups/{segment(name)}/actions/verify")
    with progress(f"Verifying {paint('name', name)}") as (doing, advance):
        for run in poll(lambda: session.client.get(f"/changeover/v1/runs/{begun['run']}"), every_s=0.3):
            advance(str(run.get("waits_because") or run["says"]), run.get("percent"))
            if run["finished_at"]:
                break
        doing.says = str(run["status"])
    if run["status"] == "failed":
        raise Reported(run["error"] or {})
    found = session.client.get(f"{path_of(app)}/{segment(name)}")
    session.tell(found, lambda: say(f"{paint('name', name)}: {verified(found)}"))


# -- daily


@command()
@click.argument("database", required=False)
@takes_app
@click.option(
    "--at", required=True, metavar="'HH:00 ZONE'", help="Hour and time zone, for example '02:00 America/New_York'."
)
def schedule(session: Session, *, database: str | None, app: str, at: str) -> None:
    """Schedule daily backups of a database."""
    found = re.fullmatch(r"(\d|[01]\d|2[0-3]):00 ?(\S*)", at.strip())
    if found is None:
        raise Misused(
            f"--at {at!r} can't be read.", fix="Write it as '02:00 America/New_York'; Without a zone, UTC is used."
        )
    hour, zone = found[1], ZONES.get(found[2].upper(), found[2]) or "UTC"
    attachment = find_attachment(session.client, app, database or "DATABASE_URL")
    wish = {"hour": hour, "timezone": zone, "schedule_name": f"{attachment['name']}_URL"}
    name = paint("datastore", attachment["addon"]["name"])
    with action(f"Scheduling automatic daily backups of {name} at {hour}:00 {zone}"):
        made = session.client.post(f"{database_path(attachment['addon'])}/transfer-schedules", wish)
    session.tell(made, lambda: say(f"The next one is at {made['next_at']}."))


@command()
@takes_app
def schedules(session: Session, *, app: str) -> None:
    """List an app's backup schedules."""
    found = _schedules(session, app)

    def show() -> None:
        if not found:
            say(f"No backup schedules on {paint('app', app)}.")
            return
        header("Backup Schedules")
        for one in found:
            say(f"{paint('name', one['name'])}: daily at {one['hour']}:00 {one['timezone']}, next at {one['next_at']}")

    session.tell(found, show)


def _schedules(session: Session, app: str) -> list[Record]:
    databases = all_databases(session.client, app)
    if not databases:
        return []
    found: list[Record] = session.client.get(f"{database_path(databases[0])}/transfer-schedules")
    return found


@command()
@click.argument("database", required=False)
@takes_app
def unschedule(session: Session, *, database: str | None, app: str) -> None:
    """Stop daily backups of a database. Existing backups are kept."""
    found = _schedules(session, app)
    if database is not None:
        name = find_attachment(session.client, app, database)["name"]
        found = [one for one in found if one["name"] == f"{name}_URL"]
    if len(found) != 1:
        names = ", ".join(one["name"] for one in found) or "none"
        raise Misused(f"Choose one schedule on {app}.", why=f"The schedules are: {names}.",
                      fix=f"`changeover pg:backups:schedules -a {app}` lists them.")  # fmt: skip
    addon = find_attachment(session.client, app, found[0]["name"])["addon"]
    with action(f"Unscheduling {paint('datastore', found[0]['name'])} daily backups"):
        gone = session.client.delete(f"{database_path(addon)}/transfer-schedules/{segment(found[0]['uuid'])}")
    session.tell(gone, lambda: None)
