"""Which tests were skipped and why, and which of these skips CI accepts (tests/allowed-skips)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ALLOWED = Path(__file__).with_name("allowed-skips")


class Skips:
    """Gathers the skips of a whole run; a pytest plugin of the process that prints the summary."""

    def __init__(self, *, is_strict: bool) -> None:
        self.is_strict = is_strict
        self.lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self.lines.append(f"{report.nodeid}: {reason(report)}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.is_strict and self.unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.lines:
            return
        terminalreporter.section("skipped, and why", sep="-")
        unexpected = self.unexpected
        for line in sorted(self.lines):
            refused = self.is_strict and line in unexpected
            terminalreporter.line(f"{'NOT ALLOWED IN CI  ' if refused else ''}{line}", red=refused, yellow=not refused)

    @property
    def unexpected(self) -> list[str]:
        return not_allowed(self.lines, ALLOWED.read_text())


def reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """pytest keeps a skip's place and reason as (file, line, "Skipped: reason")."""
    longrepr = report.longrepr
    text = longrepr[2] if isinstance(longrepr, tuple) else str(longrepr)
    return text.removeprefix("Skipped: ")


def not_allowed(lines: list[str], allowed: str) -> list[str]:
    """The lines that no pattern of the text `allowed` matches."""
    patterns = [row.strip() for row in allowed.splitlines() if row.strip() and not row.startswith("#")]
    expressions = [re.compile(re.escape(pattern).replace(r"\*", ".*"), re.DOTALL) for pattern in patterns]
    return [line for line in lines if not any(expression.fullmatch(line) for expression in expressions)]
