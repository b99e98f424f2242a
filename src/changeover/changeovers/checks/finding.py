"""What a check can answer, and the one list of all checks: an id, a title, a side, and a function that looks.

A check yields an answer for each thing it found, or none: then it has passed. What it may not see, or can't read, becomes
`unknown` by itself (asking.py), never `passed`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from changeover.changeovers.checks.look import Look

Result = Literal["passed", "warning", "failed", "unknown"]
Subject = Literal["source", "target", "line"]
"""Whom a check is about; `line` is what lies between us and both. Those about the target need one."""


@dataclass(frozen=True)
class Answer:
    """The answer of a check for one object. `fix` is a statement or command; `query` lists the rows or objects concerned."""

    result: Result
    what: str
    why: str = ""
    fix: str = ""
    query: str = ""


@dataclass(frozen=True)
class Finding:
    """An answer, and whose it is."""

    id: str
    title: str
    about: Subject
    result: Result
    what: str
    why: str = ""
    fix: str = ""
    query: str = ""
    """SQL that the user can run on the side that the finding is about. The rows themselves are never part of a finding."""


Answers = AsyncIterator[Answer]


@dataclass(frozen=True)
class Check:
    """One preflight question. Ids never change: people look them up in docs/checks.md."""

    id: str
    title: str
    about: Subject
    looks: Callable[[Look], Answers]

    def finding(self, answer: Answer) -> Finding:
        return Finding(
            self.id, self.title, self.about, answer.result, answer.what, answer.why, answer.fix, answer.query
        )


CHECKS: dict[str, Check] = {}


def check(
    id_: str, title: str, about: Subject = "source"
) -> Callable[[Callable[[Look], Answers]], Callable[[Look], Answers]]:
    """Register a function as the check `id_`."""

    def register(looks: Callable[[Look], Answers]) -> Callable[[Look], Answers]:
        if id_ in CHECKS:
            raise ValueError(f"There are two checks named {id_}.")
        CHECKS[id_] = Check(id_, title, about, looks)
        return looks

    return register


def in_order(checks: Iterable[Check]) -> list[Check]:
    """The line first, then the servers, what the source holds, the target: then by number."""
    return sorted(checks, key=lambda one: ("NSCT".index(one.id[0]), int(re.sub(r"\D", "", one.id))))


def passed(what: str) -> Answer:
    return Answer("passed", what)


def warning(what: str, why: str, fix: str = "", query: str = "") -> Answer:
    return Answer("warning", what, why, fix, query)


def failed(what: str, why: str, fix: str, query: str = "") -> Answer:
    return Answer("failed", what, why, fix, query)


def unknown(what: str, why: str, fix: str = "") -> Answer:
    return Answer("unknown", what, why, fix)


def named(things: Iterable[object], most: int = 5) -> str:
    """`a, b, c and 4 more`: names can hold anything, so line breaks are shown as such."""
    shown = [str(thing).replace("\n", "\\n").replace("\r", "\\r") for thing in things]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 table`, `3 tables`."""
    return f"{number} {thing if number == 1 else things or thing + 's'}"


def in_bytes(number: float) -> str:
    """`2.5 GB`: powers of 1000, as disks and providers count."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit in ("bytes", "kB") else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def in_time(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
