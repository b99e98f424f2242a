"""Prints the findings of checks, for `check` and every plan."""

from __future__ import annotations

from changeover.cli.resolve import Record
from changeover.cli.terminal import one_line, paint, say
from changeover.quantities import counted

MARKS = {"passed": ("good", "✓"), "warning": ("caution", "▸"), "failed": ("bad", "✘"), "unknown": ("caution", "?")}
_GRAVITY = ("passed", "warning", "unknown", "failed")
_OTHERS = {"warning": "with a warning", "failed": "failed", "unknown": "unknown"}


def show_findings(findings: list[Record]) -> None:
    """Those that did not pass, and the number of checks by result. The worst finding of a check counts."""
    worst: dict[str, int] = {}
    for finding in findings:
        worst[finding["id"]] = max(worst.get(finding["id"], 0), _GRAVITY.index(finding["result"]))
        if finding["result"] != "passed":
            _show(finding)
    counts = {result: sum(_GRAVITY[one] == result for one in worst.values()) for result in _GRAVITY}
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
