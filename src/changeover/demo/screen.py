"""What the demo prints: chapters, commands with what they said, and the verdict. Decides nothing."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.text import Text

from changeover.errors import ChangeoverError


@dataclass(frozen=True)
class Verdict:
    """What the demo found out."""

    pause_s: float
    acknowledged: int
    found: int
    first_lost: tuple[int, ...]
    """The first few orders that were acknowledged and are not there."""

    @property
    def lost(self) -> int:
        return self.acknowledged - self.found


class Screen:
    """A calm terminal: colours only where there is one, nothing that moves. With `as_json` the verdict alone."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._as_json = as_json
        self._console = Console(highlight=False, soft_wrap=True, quiet=as_json)
        self._began = time.monotonic()
        self._chapters = 0

    def title(self, text: str) -> None:
        self._line(text, "bold")

    def chapter(self, text: str) -> None:
        self._chapters += 1
        self._line("")
        self._console.print(Text(f"{self._chapters}  ", "dim").append(text, "bold not dim"))

    def command(self, line: str) -> None:
        self._console.print(Text("   $ ", "dim").append(line, "cyan not dim"))

    def said(self, line: str) -> None:
        """One line that a command printed."""
        self._line(f"     {line}", "dim")

    def note(self, text: str) -> None:
        """Something that the demo itself does or sees."""
        self._line(f"   · {text}")

    def failure(self, error: ChangeoverError) -> None:
        if self._as_json:
            print(json.dumps(error.as_dict()))
        self._line("")
        self._line(f"   ✘ {error.what}", "bold red")
        for part in (error.why, error.fix):
            for line in part.splitlines():
                self._line(f"     {line}")

    def verdict(self, verdict: Verdict) -> None:
        if self._as_json:
            print(json.dumps(asdict(verdict) | {"lost": verdict.lost}))
        self._line("")
        for name, value in (
            ("pause", f"{verdict.pause_s:.2f} s"),
            ("acknowledged", f"{verdict.acknowledged:,}"),
            ("found", f"{verdict.found:,}"),
            ("lost", f"{verdict.lost:,}"),
        ):
            self._console.print(Text(f"   {name:<14}", "dim").append(f"{value:>10}", "bold not dim"))
        self._line("")
        took = f"{time.monotonic() - self._began:.0f} s in all"
        if verdict.lost:
            self._line(f"   ✘ {gone(verdict)}: {listed(verdict)}.  {took}", "bold red")
        else:
            self._line(f"   ✔ Nothing was lost.  {took}", "bold green")

    def _line(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style))


def listed(verdict: Verdict) -> str:
    """The first few lost orders, in words."""
    more = ", …" if verdict.lost > len(verdict.first_lost) else ""
    return ", ".join(map(str, verdict.first_lost)) + more


def gone(verdict: Verdict) -> str:
    return "1 acknowledged order is gone" if verdict.lost == 1 else f"{verdict.lost:,} acknowledged orders are gone"
