"""`changeover check`: whether a database can be moved, and the facts for planning the move."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from changeover.cli.addresses import address
from changeover.cli.failures import UNKNOWN, report
from changeover.cli.findings import show_findings
from changeover.cli.private import a_plane
from changeover.cli.resolve import Record
from changeover.cli.session import Session, command
from changeover.cli.terminal import Column, header, mention, one_line, paint, rows, say, table
from changeover.client import Client
from changeover.errors import ChangeoverError, Misused
from changeover.errors.elsewhere import CheckFailed
from changeover.quantities import in_bytes, in_time

PATH = "/changeover/v1/checks"
PATIENCE_S = 1800.0
"""Long enough for a server that answers each check just within its limit."""
EXIT_CODES = {"ready": 0, "not ready": 1, "unknown": UNKNOWN}
VERDICTS = {
    "ready": ("good", "Ready: the database can be moved."),
    "not ready": ("bad", "Not ready: correct what is marked ✘, then check again."),
    "unknown": ("caution", "Unknown: what is marked ? could not be checked. All other checks passed."),
}
FILES = {
    "settings.csv": ("settings", ("name", "source", "target", "unit", "category", "says")),
    "clients.csv": ("clients", ("application", "user", "address", "most_at_once", "seen_in_percent")),
    "extensions.csv": ("extensions", ("name", "version", "schema", "target", "status")),
    "findings.csv": ("findings", ("id", "title", "about", "result", "what", "why", "query", "fix")),
}
"""The lists that --csv writes, and their columns."""


@command()
@click.argument("source")
@click.argument("target", required=False)
@click.option("--csv", "folder", type=click.Path(path_type=Path), metavar="DIR",
              help="Also write settings, clients, extensions and findings as CSV into this folder.")  # fmt: skip
@click.option("--sample", "sample_s", type=click.FloatRange(0, 3600), default=5.0, show_default=True, metavar="SECONDS",
              help="How long to sample the source's clients.")  # fmt: skip
def check(session: Session, *, source: str, target: str | None, folder: Path | None, sample_s: float) -> None:
    """Check whether the database SOURCE can be moved (to TARGET). Changes nothing on either side."""
    if folder is not None:
        _make(folder)
    wish: Record = {"source": address(source, "SOURCE"), "sample_s": sample_s}
    if target is not None:
        wish["target"] = address(target, "TARGET")
    with a_plane(session) as client:
        client.timeout_s = PATIENCE_S + sample_s
        client.close()  # its open connection has the usual timeout
        checked = _checked(session, client, wish)
    if folder is not None:
        for name, (key, columns) in FILES.items():
            _write(folder / name, columns, checked[key])
    session.tell(checked, lambda: show_report(checked))
    if folder is not None and not session.wants_json:
        mention(f"Written to {folder}: {', '.join(FILES)}.")
    click.get_current_context().exit(EXIT_CODES[checked["verdict"]])


def _checked(session: Session, client: Client, wish: Record) -> Record:
    """Exits with 3 if the server refused even the first queries. 1 would mean that the database can't be moved."""
    try:
        checked: Record = client.post(PATH, wish)
    except ChangeoverError as failure:
        if failure.id != CheckFailed.id:
            raise
        report(failure, as_json=session.wants_json)
        click.get_current_context().exit(UNKNOWN)
    return checked


def show_report(checked: Record) -> None:
    """Both sides, the findings, the facts, the verdict."""
    if checked["source"]:
        _show_sides(checked)
    show_findings(checked)
    if checked["source"]:
        _show_extensions(checked["extensions"])
        _show_clients(checked)
        _show_tables(checked["size"])
    style, says = VERDICTS[checked["verdict"]]
    say(paint(style, says))


def _show_sides(checked: Record) -> None:
    size, forecast, target = checked["size"], checked["forecast"], checked["target"]
    source = checked["source"]
    header(f"Check of {paint('datastore', source['database'])}")
    rows(
        {
            "Source": _side(source),
            "Provider notes": [one_line(note) for note in source["provider"]["notes"]],
            "Target": _side(target) if target else "none; checked against the PostgreSQL installations of this machine",
            "Target's provider notes": [one_line(note) for note in target["provider"]["notes"]] if target else None,
            "Size": f"{in_bytes(size['bytes'])} of {in_bytes(size['limit_bytes'])} recommended for a snapshot,"
            f" {size['tables']} tables",
            "Downtime": f"about {in_time(forecast['downtime_s'])} if writers are held for the whole copy",
            "Because": one_line(forecast["because"]),
            "Roles": ", ".join(one_line(role["name"]) for role in checked["roles"] if not role["is_reserved"]) or None,
            "Settings": f"{len(checked['settings'])}, listed with --csv",
        }
    )
    say()


def _side(side: Record) -> str:
    provider = side["provider"]
    because = f" ({provider['because']})" if provider["because"] else ""
    system = f", system {side['system_identifier']}" if side["system_identifier"] else ""
    return one_line(f"{side['address']}: {side['version']}{system}, {provider['title']}{because}")


def _show_extensions(extensions: list[Record]) -> None:
    if extensions:
        header("Extensions")
        table(
            extensions,
            [
                Column("Name", lambda one: one_line(one["name"])),
                Column("Source", lambda one: one["version"]),
                Column("Target", lambda one: one["target"] or ""),
                Column("State", lambda one: one["status"]),
            ],
        )


def _show_clients(checked: Record) -> None:
    clients = checked["clients"]
    header("Clients")
    if not clients:
        say(
            f"No other client was connected in {checked['sampled_s']:g} s. Use a longer --sample when the server is busy.\n"
        )
        return
    say(f"Connected in {checked['sampled_s']:g} s. Each must be switched to the target:\n")
    table(
        clients,
        [
            Column("Application", lambda one: one_line(one["application"]) or "(no name)"),
            Column("User", lambda one: one_line(one["user"])),
            Column("Address", lambda one: one["address"]),
            Column("At once", lambda one: str(one["most_at_once"])),
            Column("Seen", lambda one: f"{one['seen_in_percent']} %"),
        ],
    )


def _show_tables(size: Record) -> None:
    if size["biggest"]:
        header("Biggest tables")
        table(
            size["biggest"],
            [
                Column("Table", lambda one: one_line(one["name"])),
                Column("Data", lambda one: in_bytes(one["table_bytes"])),
                Column("Indexes", lambda one: in_bytes(one["index_bytes"])),
                Column("Rows", lambda one: f"~{one['rows']:,}"),
            ],
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misused(f"{folder} can't be created.", why=error.strerror or "", fix="Choose another folder.") from None


def _write(path: Path, columns: tuple[str, ...], records: Iterable[Mapping[str, Any]]) -> None:
    """Quotes texts that start with = + - @, which a spreadsheet would evaluate as a formula."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for record in records:
            writer.writerow([_cell(record.get(column, "")) for column in columns])


def _cell(value: object) -> object:
    is_formula = isinstance(value, str) and value[:1] in ("=", "+", "@", "\t", "\r")
    return f"'{value}" if is_formula else value
