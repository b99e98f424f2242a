"""Watching long work on a database: bars on a terminal, plain lines elsewhere, one JSON object a line with --json."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from changeover.cli.resolve import Record
from changeover.cli.session import Session
from changeover.cli.terminal import mention, say
from changeover.client import Client, poll

EVERY_S = 0.3
EVENT = ("status", "step", "waits_because", "percent", "progress")
PLAIN_EVERY = 10.0
"""Per cent between two plain lines."""


def watched(
    session: Session, client: Client, path: str, begun: Record, *, ends_when: Callable[[Record], bool] = lambda _: False
) -> Record:
    """What it is once it has finished, or `ends_when` says so."""
    show: Callable[[Record], None]
    if session.wants_json:
        show = _Events()
    elif sys.stderr.isatty():
        return _with_bars(client, path, ends_when)
    else:
        show = _Lines()
    seen = begun
    for seen in poll(lambda: client.get(path), every_s=EVERY_S):
        if seen["finished_at"] or ends_when(seen):
            break
        show(seen)
    return seen


class _Events:
    """Each change as a line of JSON; the whole is printed at the end by who asked."""

    def __init__(self) -> None:
        self._last: Any = None

    def __call__(self, seen: Record) -> None:
        event = {key: seen.get(key) for key in EVENT}
        if event != self._last:
            self._last = event
            say(json.dumps(event, ensure_ascii=False))


class _Lines:
    """A line for each step and phase, and one for every ten per cent."""

    def __init__(self) -> None:
        self._last: tuple[str, str, int] | None = None

    def __call__(self, seen: Record) -> None:
        progress = seen.get("progress") or {}
        percent = progress.get("percent")
        now = (seen["step"], progress.get("phase", ""), int((percent or 0) // PLAIN_EVERY))
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
        for seen in poll(lambda: client.get(path), every_s=EVERY_S):
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
