"""The rows of changeovers, of the sides that they left, and of verifications."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class ChangeoverRow:
    """A changeover of any method. Its comments are in store/migrations/0005 and 0016."""

    run_id: int
    method: str
    hold: str
    source_id: UUID | None
    source_url: bytes | None
    source_name: str
    target_id: UUID | None
    target_url: bytes | None
    target_name: str | None
    target_app_id: UUID | None
    plan: str | None
    mark: str | None
    options: dict[str, Any]
    hooks: bytes | None
    go_at: datetime | None
    keep_source_days: int | None
    ends_sessions: bool
    remark: str | None
    attempts: int
    first_attempt_at: datetime | None
    armed_mark: str | None
    held: dict[str, Any] | None
    held_at: datetime | None
    end_of_source: dict[str, Any] | None
    phase: str | None
    switched_at: datetime | None
    released_at: datetime | None
    skips: dict[str, Any] | None
    copied: dict[str, Any] | None
    timeline: list[dict[str, Any]] | None
    stopped: dict[str, Any] | None
    progress: dict[str, Any] | None
    prediction: dict[str, Any]
    report: dict[str, Any]
    created_at: datetime

    @property
    def our_source_id(self) -> UUID:
        """The add-on that is the source. Only for a source that is a database of ours."""
        assert self.source_id is not None  # noqa: S101 - the table has an id or an address
        return self.source_id


@dataclass(frozen=True)
class VerificationRow:
    run_id: int
    source_url: bytes
    target_url: bytes
    source_name: str
    target_name: str
    is_quick: bool
    progress: dict[str, Any] | None
    report: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True)
class OldSideRow:
    """`finding`: 'fenced' (a login was refused), 'down' (it does not answer, its fence is there) or 'open'."""

    run_id: int
    probed_at: datetime
    finding: str
    fenced_at: datetime | None
    breach: dict[str, Any] | None
    breaches: int
    read_until: str
