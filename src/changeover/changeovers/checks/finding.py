"""Answers of a check, and the list of all checks. A check has an id, a title, a side and a function.

A check yields an answer for each problem, or none if it passed. What it has no right to see or can't read becomes `unknown`
(see asking.py), never `passed`.
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
"""What a check is about. `line` is the network between this machine and both servers. `target` requires a target."""


@dataclass(frozen=True)
class Answer:
    """The answer of a check for one object. `fix` is a statement or command. `query` lists the rows or objects."""

    result: Result
    what: str
    why: str = ""
    fix: str = ""
    query: str = ""


@dataclass(frozen=True)
class Finding:
    """An answer with the check that gave it."""

    id: str
    title: str
    about: Subject
    result: Result
    what: str
    why: str = ""
    fix: str = ""
    query: str = ""
    """SQL that the user can run on the server that the finding is about. A finding never contains rows."""


Answers = AsyncIterator[Answer]


@dataclass(frozen=True)
class Check:
    """A preflight check. Ids never change, because users look them up in docs/checks.md."""

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
    """By subject (network, server, contents, target), then by number."""
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
    """`a, b, c and 4 more`. Line breaks in names are escaped."""
    shown = [str(thing).replace("\n", "\\n").replace("\r", "\\r") for thing in things]
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "")


def counts_of(findings: Iterable[Finding]) -> dict[str, int]:
    """How many checks (not findings) came to each result. Of several findings of a check, the worst counts."""
    worst: dict[str, int] = {}
    for finding in findings:
        worst[finding.id] = max(worst.get(finding.id, 0), _GRAVITY.index(finding.result))
    return {result: sum(_GRAVITY[one] == result for one in worst.values()) for result in _GRAVITY}


_GRAVITY: tuple[Result, ...] = ("passed", "warning", "unknown", "failed")
