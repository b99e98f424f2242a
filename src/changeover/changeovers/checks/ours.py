"""The checks of a changeover of one of our own databases. docs/checks.md explains each id."""

from __future__ import annotations

from changeover.changeovers.checks.finding import Finding, Result, Subject

TITLES: dict[str, tuple[str, Subject]] = {
    "source_answers": ("Does the source answer?", "source"),
    "prepared_transactions": ("Are there prepared transactions?", "source"),
    "background_workers": ("Are there background workers?", "source"),
    "long_transactions": ("Is a transaction open for long?", "source"),
    "target_follows": ("Does the target follow the source?", "target"),
    "other_followers": ("Has the source other followers?", "source"),
    "pooler": ("Does an app reach the source through a pooler?", "source"),
    "prepared_statements": ("Can clients of the pooler prepare statements?", "source"),
}
"""The checks of a changeover of one of our databases, and what each is about."""


def finding(id_: str, result: Result, what: str, fix: str = "") -> Finding:
    title, about = TITLES[id_]
    return Finding(id_, title, about, result, what, fix=fix)
