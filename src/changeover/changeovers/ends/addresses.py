"""A side that is known by its address: a URL, a conninfo string, or the name of one of our databases."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from changeover.errors.elsewhere import BadAddress
from changeover.platform.databases import find_database
from changeover.platform.locations import kept_location, location_of, named_location
from changeover.platform.progress import run_under_way
from changeover.platform.scope import Parts, Scope
from changeover.postgres.location import Location
from changeover.store.changeover_rows import ChangeoverRow


@dataclass(frozen=True)
class Ends:
    """Both sides of one changeover between addresses, and its number."""

    run_id: int
    source: Location
    target: Location
    authority: Path
    """The file of our own certificate authority. It stays, so an address may name it."""

    @classmethod
    def load(cls, parts: Parts, row: ChangeoverRow) -> Ends:
        """Raises BadAddress when the settings no longer allow one of them."""
        assert row.source_url is not None  # noqa: S101 - a changeover between addresses has both
        assert row.target_url is not None  # noqa: S101
        source, target = (kept_location(parts, url) for url in (row.source_url, row.target_url))
        return cls(row.run_id, source, target, parts.ca_certificate)


async def location_named(scope: Scope, text: str) -> Location:
    """A URL or conninfo string, or an add-on by name or id.

    Raises BadAddress, NotFound; Forbidden for files of this host, which only the operator may name.
    """
    if "://" not in text and "=" not in text:
        addon, _ = await find_database(scope, text)
        return await location_of(scope.db, scope.parts, addon.id)
    return named_location(scope, text)


def mark_of(source: Location, target: Location, account: UUID | None = None) -> str:
    """The same for every attempt of one account between these two databases, with any user and password.

    A former version had the same mark for all accounts: without `account`.
    """
    ends = "|".join(f"{one.host}:{one.port}/{one.database}" for one in (source, target))
    if account is not None:
        ends += f"|{account}"
    return hashlib.sha256(ends.encode()).hexdigest()[:16]


async def subject_of(scope: Scope, named: str) -> str:
    """One run of an account at a time. Another account's has another subject, so it can't keep this one from its target.

    Only the target decides which migration may write there, by its lock and its ledger. A run that a former version
    began has a subject without an account.
    """
    former = await run_under_way(scope, named)
    if former is not None and former.account_id == scope.caller.id:
        return named
    return f"{named} for {scope.caller.email}"


def label(location: Location) -> str:
    return f"{location.database} on {location.host}:{location.port}"


def require_two(source: Location, target: Location) -> None:
    if mark_of(source, source) == mark_of(target, target):
        raise BadAddress("Source and target are the same database.", why=f"Both are {label(source)}.", fix="Name two.")
