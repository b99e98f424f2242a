"""Waiting for long work: a progress bar on a terminal, the official CLI's plain line otherwise."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from changeover.cli.terminal import Action, action, paint, plain
from changeover.client import Client, poll, segment
from changeover.errors import ChangeoverError, CopyFailed

Advance = Callable[[str, float | None], None]
"""Called with what is being waited for just now, and the per cent where they are known."""


@contextmanager
def progress(text: str) -> Iterator[tuple[Action, Advance]]:
    """`text... says` at the end; while it lasts, a bar where stderr is a terminal."""
    if not sys.stderr.isatty():
        with action(text) as doing:
            yield doing, lambda _says, _percent: None
        return
    from rich.console import Console  # noqa: PLC0415 - costs more than most commands; only a waiting terminal pays
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    texts = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[says]}", markup=False))
    shape = (texts[0], BarColumn(), texts[1], TimeElapsedColumn())
    with Progress(*shape, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(plain(text), total=None, says="")
        doing = Action(text)

        def advance(says: str, percent: float | None) -> None:
            bar.update(task, total=100 if percent is not None else None, completed=percent or 0, says=says)

        yield doing, advance
    with action(text) as ended:
        ended.says = doing.says


def percent_of(status: dict[str, Any]) -> float | None:
    """The per cent of a wait_status: its own field, or out of a message such as `preparing (43% completed)`."""
    if status.get("percent") is not None:
        return float(status["percent"])
    said = re.search(r"(\d+(?:\.\d+)?)\s*%", str(status.get("message") or ""))
    return float(said[1]) if said else None


def wait_for_database(client: Client, addon: dict[str, Any], *, every_s: float = 1.0) -> dict[str, Any]:
    """Until the database is available; the last wait_status. Raises CopyFailed with what the server says went wrong."""

    def fetch() -> dict[str, Any]:
        try:
            status: dict[str, Any] = client.get(f"/client/v11/databases/{segment(addon['id'])}/wait_status")
        except ChangeoverError as error:
            if error.id != "not_found":
                raise
            return {"waiting?": True, "message": "Waiting to provision..."}
        _raise_if_failed(status)
        return status

    status = fetch()
    if not status.get("waiting?"):
        return status
    with progress(f"Waiting for database {paint('datastore', addon['name'])}") as (doing, advance):
        for status in poll(fetch, every_s=every_s, pause=client.pause):
            advance(str(status.get("message") or ""), percent_of(status))
            if not status.get("waiting?"):
                break
        doing.says = str(status.get("message") or "available")
    return status


def wait_for_addon(
    client: Client, addon: dict[str, Any], *, verb: str = "Creating", during: str = "provisioning", every_s: float = 1.0
) -> dict[str, Any]:
    """Until the add-on is no longer in state `during`; what it is then (gone counts as deprovisioned)."""
    path = f"/apps/{segment(addon['app']['name'])}/addons/{segment(addon['name'])}"

    def fetch() -> dict[str, Any]:
        try:
            found: dict[str, Any] = client.get(path)
        except ChangeoverError as error:
            if error.id != "not_found":
                raise
            if during == "provisioning":
                raise CopyFailed(
                    "The add-on was unable to be created, with status deprovisioned.",
                    why=error.why,
                    fix="See `changeover runs` for the step that failed.",
                ) from error
            return {**addon, "state": "deprovisioned"}
        return found

    found = addon
    with progress(f"{verb} {paint('addon', addon['name'])}") as (_doing, advance):
        for found in poll(fetch, every_s=every_s, pause=client.pause):
            if found["state"] == during == "provisioning":
                advance(*_how_far(client, addon))
            if found["state"] != during:
                break
    return found


def _how_far(client: Client, addon: dict[str, Any]) -> tuple[str, float | None]:
    """What a database that is being made says about itself; its state for any other add-on. Raises CopyFailed.

    A failure is told at once: removing what was made can take until there is room on a disk again.
    """
    try:
        status = client.get(f"/client/v11/databases/{segment(addon['id'])}/wait_status")
    except ChangeoverError as error:
        if error.id != "not_found":
            raise
        return str(addon["state"]), None
    _raise_if_failed(status)
    return str(status.get("message") or addon["state"]), percent_of(status)


def _raise_if_failed(status: dict[str, Any]) -> None:
    if status.get("error?"):
        raise CopyFailed(str(status.get("message")), fix="See `changeover runs` for the step that failed.")
