"""Prints the findings of checks, for `check` and every plan."""

from __future__ import annotations

from changeover.cli.resolve import Record
from changeover.cli.terminal import one_line, paint, say
from changeover.quantities import counted

MARKS = {"passed": ("good", "✓"), "warning": ("caution", "▸"), "failed": ("bad", "✘"), "unknown": ("caution", "?")}
_OTHERS = {"warning": "with a warning", "failed": "failed", "unknown": "unknown"}


def show_findings(checked: Record) -> None:
    """The findings of an answer that are not passed, and how many checks came to which result."""
    counts = checked["counts"]
    for finding in checked["findings"]:
        if finding["result"] != "passed":
            _show(finding)
    style, mark = MARKS["passed"]
    others = ", ".join(f"{counts[result]} {word}" for result, word in _OTHERS.items() if counts[result])
    passed = counted(counts["passed"], "check")
    say(f" {paint(style, mark)} {passed} passed" + (f"; {others}" if others else ""))
    say("   What each id means: docs/checks.md")
    say()


def _show(finding: Record) -> None:
    style, mark = MARKS[finding["result"]]
    say(f" {paint(style, mark)} {finding['id']:<4} {one_line(finding['what'])}")
    if finding["why"]:
        say(f"        {one_line(finding['why'])}")
    if finding.get("query"):
        say(f"        To list them: {one_line(finding['query'])}")
    if finding["fix"]:
        say(f"        {paint('label', one_line(finding['fix']))}")
