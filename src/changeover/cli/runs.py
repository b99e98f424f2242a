"""Runs of long-running work, and the certificate of our authority."""

from __future__ import annotations

import click

from changeover.cli.resolve import Record
from changeover.cli.session import Session, command, may_take_app
from changeover.cli.terminal import Column, header, paint, rows, say, table
from changeover.client import segment
from changeover.quantities import in_bytes

MARKS = {"done": "✓", "current": "▸", "pending": "·"}


@command()
@may_take_app
@click.option("--all", "-A", "of_all", is_flag=True, help="Runs of all apps.")
def index(session: Session, *, app: str | None, of_all: bool) -> None:
    """List runs with their progress."""
    query = f"?app={segment(app)}" if app and not of_all else ""
    found = session.client.get(f"/changeover/v1/runs{query}")

    def show() -> None:
        if not found:
            say("No runs.")
            return
        columns = [
            Column("Run", lambda run: paint("name", run["id"])),
            Column("Kind", lambda run: run["kind"]),
            Column("Subject", lambda run: run["subject"]),
            Column("App", lambda run: run.get("app") or ""),
            Column("Status", _status),
            Column("Step", lambda run: "" if run["status"] == "done" else run.get("says") or ""),
            Column("Waits for", lambda run: run.get("waits_because") or ""),
        ]
        table(found, columns)

    session.tell(found, show)


def _status(run: Record) -> str:
    style = {"failed": "bad", "done": "good"}.get(run["status"], "info")
    percent = f" {run['percent']:g} %" if run.get("percent") is not None else ""
    return paint(style, run["status"]) + percent


@command()
@click.argument("run_id", metavar="ID", type=int)
def info(session: Session, *, run_id: int) -> None:
    """Show a run with its steps and journal."""
    run = session.client.get(f"/changeover/v1/runs/{run_id}")
    session.tell(run, lambda: _show(run))


def _progress(progress: Record) -> str | None:
    """`copy tables: 3 of 12, 40 of 120 MB, 35 MB/s, 2 s left`."""
    parts = []
    if progress.get("things_total"):
        parts.append(f"{progress['things_done']} of {progress['things_total']}")
    if progress.get("bytes_total"):
        parts.append(f"{in_bytes(progress['bytes_done'])} of {in_bytes(progress['bytes_total'])}")
    if progress.get("bytes_per_s"):
        parts.append(f"{in_bytes(progress['bytes_per_s'])}/s")
    if progress.get("seconds_left") is not None:
        parts.append(f"{progress['seconds_left']:.0f} s left")
    return f"{progress['phase']}: {', '.join(parts) or progress.get('says')}" if progress else None


def _show(run: Record) -> None:
    header(f"Run {paint('name', run['id'])}: {run['kind']} {run['subject']}")
    error: Record = run.get("error") or {}
    rows(
        {
            "App": run.get("app"),
            "Status": _status(run),
            "Waits for": run.get("waits_because") or None,
            "Progress": _progress(run.get("progress") or {}),
            "Error": [part for part in (error.get("what"), error.get("why"), error.get("fix")) if part],
            "Error ID": error.get("id"),
            "Epoch": run["epoch"],
            "Created at": run["created_at"],
            "Updated at": run["updated_at"],
            "Finished at": run.get("finished_at"),
        }
    )
    say()
    header("Steps")
    for step in run["steps"]:
        say(f" {MARKS.get(step['state'], '·')} {step['name']}  {step['says']}")
    say()
    header("Journal")
    for entry in run["journal"]:
        detail = f"  {entry['detail']}" if entry.get("detail") else ""
        say(f"{entry['at']}  epoch {entry['epoch']}  {entry['step']}: {entry['event']}{detail}")


@command()
def ca(session: Session) -> None:
    """Print the certificate of the control plane's authority, which signs the servers' certificates."""
    found = session.client.get("/changeover/v1/ca")
    session.tell(found, lambda: say(found["certificate"].rstrip("\n")))
