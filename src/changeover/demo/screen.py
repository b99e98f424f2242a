"""The demo's output: chapters, commands with their output, and the result. Decides nothing."""

from __future__ import annotations

import json
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from changeover.demo.verdict import Serving, Verdict
from changeover.errors import ChangeoverError
from changeover.quantities import counted


class Screen:
    """Uses colors and a live line only on a terminal. With `as_json` prints only the result."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True, quiet=as_json)
        self._began = time.monotonic()
        self._chapters = 0
        self._live: Live | None = None

    def title(self, text: str) -> None:
        self._line(text, "bold")

    def chapter(self, text: str) -> None:
        self._chapters += 1
        self._line("")
        self._console.print(Text(f"{self._chapters}  ", "dim").append(text, "bold not dim"))

    def command(self, line: str) -> None:
        self._console.print(Text("   $ ", "dim").append(line, "cyan not dim"))

    def said(self, line: str) -> None:
        """One line of a command's output."""
        self._line(f"     {line}", "dim")

    def note(self, text: str) -> None:
        """Something that the demo itself does or observes."""
        self._line(f"   · {text}")

    def failure(self, error: ChangeoverError) -> None:
        if self._as_json:
            print(json.dumps(error.as_dict()))
        self._line("")
        self._line(f"   ✘ {error.what}", "bold red")
        for part in (error.why, error.fix):
            for line in part.splitlines():
                self._line(f"     {line}")

    @property
    def is_live(self) -> bool:
        """Whether there is a terminal for a live line."""
        return self._console.is_terminal and not self._as_json

    def live(self, text: str) -> None:
        """Set the live line at the bottom. Empty removes it."""
        if not self.is_live:
            return
        if self._live is None and text:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        if self._live is not None and text:
            self._live.update(Text(f"   ↯ {text}", "yellow"), refresh=True)
        elif self._live is not None:
            self._live.stop()
            self._live = None

    def verdict(self, verdict: Verdict) -> None:
        if self._as_json:
            print(json.dumps(verdict.as_dict()))
        self._line("")
        for name, value, meaning in figures(verdict):
            line = Text(f"   {name:<16}", "dim").append(f"{value:>10}", "bold not dim")
            self._console.print(line.append(f"   {meaning}"))
        self._line("")
        took = f"{time.monotonic() - self._began:.0f} s in total"
        if verdict.is_good:
            self._line(f"   ✔ Nothing was lost.  {took}", "bold green")
        if verdict.lost:
            self._line(f"   ✘ {gone(verdict)}: {listed(verdict)}.  {took}", "bold red")
        if verdict.serving and verdict.serving.failed_requests:
            self._line(f"   ✘ {failed(verdict.serving)}.  {took}", "bold red")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style))


def figures(verdict: Verdict) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each figure."""
    rows = [
        ("pause", f"{verdict.pause_s:.2f} s", "the longest time between two acknowledged orders"),
        ("acknowledged", f"{verdict.acknowledged:,}", "orders that PostgreSQL acknowledged"),
        ("found", f"{verdict.found:,}", "of these, found in the new leader"),
        ("lost", f"{verdict.lost:,}", "acknowledged, but not found"),
    ]
    if verdict.serving is None:
        return rows
    return [
        ("requests", f"{verdict.serving.requests:,}", "from customers, through the router"),
        ("failed", f"{verdict.serving.failed_requests:,}", "of these, outside maintenance mode"),
        (
            "unavailable",
            f"{verdict.serving.unavailable_s:.2f} s",
            "from the first maintenance page to the next success",
        ),
        *rows,
    ]


def listed(verdict: Verdict) -> str:
    """The first few lost orders."""
    more = ", …" if verdict.lost > len(verdict.first_lost) else ""
    return ", ".join(map(str, verdict.first_lost)) + more


def gone(verdict: Verdict) -> str:
    return "1 acknowledged order is gone" if verdict.lost == 1 else f"{verdict.lost:,} acknowledged orders are gone"


def failed(serving: Serving) -> str:
    count = counted(serving.failed_requests, "request")
    return f"{count} failed outside maintenance mode. The first failure: {serving.first_failure}"
