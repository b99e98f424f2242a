"""Renders docs/rights.md from the rules: `python -m tests.api.rights_page` writes it."""

from __future__ import annotations

from pathlib import Path

from changeover.api.rules import PUBLIC, RULES

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
HEAD = """# What each route needs

Generated from `src/changeover/api/rules.py`, which enforces it; a test compares both.
[Who may do what](security.md#who-may-do-what) explains the columns.

| route | token | permission on the app | role in the team | and |
|---|---|---|---|---|
"""
END = """
Without a token:

| route | why |
|---|---|
"""


def render() -> str:
    """The whole page."""
    lines = [
        f"| `{method} {path}` | {needs.token} | {needs.app or ''} | {needs.team or ''} | {needs.note} |\n"
        for (method, path), needs in sorted(RULES.items(), key=lambda rule: (rule[0][1], rule[0][0]))
    ]
    public = [f"| `{method} {path}` | {why} |\n" for (method, path), why in sorted(PUBLIC.items())]
    return HEAD + "".join(lines) + END + "".join(public)


if __name__ == "__main__":
    PAGE.write_text(render())
