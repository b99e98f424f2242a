"""Watching long work on a database: bars on a terminal, plain lines elsewhere, one JSON object a line with --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from changeover.cli.resolve import Record
from changeover.cli.session import Session
from changeover.cli.terminal import mention, say, want_json_lines
from changeover.client import Client, poll

EVERY_S = 0.3
EVENT = ("id", "status", "step", "waits_because", "percent")
REACHED = "reached"
"""The last phase of a changeover's pause; `phase` is that of the work itself."""
PROGRESS = ("phase", "says", "things_done", "things_total", "bytes_done", "bytes_total", "bytes_per_s", "seconds_left")
PLAIN_EVERY = 10.0
"""Per cent between two plain lines."""


def watched(
    session: Session, client: Client, path: str, begun: Record, *, ends_when: Callable[[Record], bool] = lambda _: False
) -> Record:
    """What it is once it has finished, or `ends_when` says so. With --json the caller's last word is a line as well."""
    show: Callable[[Record], None]
    if session.wants_json:
        want_json_lines()
        show = _Events()
    elif sys.stderr.isatty():
        return _with_bars(client, path, ends_when)
    else:
        show = _Lines()
    seen = begun
    for seen in poll(lambda: client.get(path), every_s=EVERY_S, pause=client.pause):
        if seen["finished_at"]:
            break
        show(seen)
        if ends_when(seen):
            break
    return seen


def event_of(seen: Record) -> Record:
    """What a line of JSON says about long work: which, when, how far, on what."""
    progress = seen.get("progress") or {}
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        **{key: seen.get(key) for key in EVENT},
        **({REACHED: seen["phase"]} if "phase" in seen else {}),
        **{key: progress.get(key) for key in PROGRESS},
    }


class _Events:
    """Each change as a line of JSON; the whole is printed at the end by the caller."""

    def __init__(self) -> None:
        self._last: Any = None

    def __call__(self, seen: Record) -> None:
        event = event_of(seen)
        if (facts := {**event, "time": None}) != self._last:
            self._last = facts
            say(json.dumps(event, ensure_ascii=False))


class _Lines:
    """A line for each step and phase, and one for every ten per cent."""

    def __init__(self) -> None:
        self._last: tuple[str, str, int] | None = None

    def __call__(self, seen: Record) -> None:
        progress = seen.get("progress") or {}
        percent = progress.get("percent")
        now = (seen["says"], progress.get("phase", ""), int((percent or 0) // PLAIN_EVERY))
        if now != self._last:
            self._last = now
            share = f" {percent} %" if percent is not None and progress.get("phase") else ""
            mention(f"{seen['says']}: {progress.get('phase') or seen['step']}{share}")


def _with_bars(client: Client, path: str, ends_when: Callable[[Record], bool]) -> Record:
    from rich.console import Console  # noqa: PLC0415 - costs more than most commands
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )  # fmt: skip

    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        TimeRemainingColumn(), TextColumn("{task.fields[says]}", markup=False),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, says="")
        for seen in poll(lambda: client.get(path), every_s=EVERY_S, pause=client.pause):
            progress = seen.get("progress") or {}
            things = f"{progress['things_done']}/{progress['things_total']}" if progress.get("things_total") else ""
            says = progress.get("says") or seen.get("waits_because") or ""
            bar.update(
                task, description=progress.get("phase") or seen["says"], total=progress.get("bytes_total") or None,
                completed=progress.get("bytes_done") or 0, says=f"{things} {says}".strip(),
            )  # fmt: skip
            if seen["finished_at"] or ends_when(seen):
                return dict(seen)
    raise AssertionError("poll never ends by itself")
