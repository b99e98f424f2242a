"""The checks of a changeover between our own databases. docs/checks.md explains each id."""

from __future__ import annotations

from changeover.changeovers.checks.finding import Finding, Result, Subject

TITLES: dict[str, tuple[str, Subject]] = {
    "source_answers": ("Does the source answer?", "source"),
    "prepared_transactions": ("Are there prepared transactions?", "source"),
    "background_workers": ("Are there background workers?", "source"),
    "long_transactions": ("Are there long transactions?", "source"),
    "target_follows": ("Does the target follow the source?", "target"),
    "other_followers": ("Does the source have other followers?", "source"),
    "pooler": ("Does an app use the source through a pooler?", "source"),
    "prepared_statements": ("Can the pooler's clients prepare statements?", "source"),
}
"""Title and subject of each check."""


def finding(id_: str, result: Result, what: str, fix: str = "") -> Finding:
    title, about = TITLES[id_]
    return Finding(id_, title, about, result, what, fix=fix)
