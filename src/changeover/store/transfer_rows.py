"""Rows about transfers: backups, restores and copies, their logs, and the daily backup schedules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True)
class TransferRow:
    """`kind`: 'backup', 'restore' or 'copy'. The URLs are encrypted, because they hold passwords."""

    id: UUID
    app_id: UUID | None
    number: int
    kind: str
    addon_id: UUID | None
    schedule_id: UUID | None
    run_id: int | None
    from_name: str
    to_name: str
    from_url: bytes | None
    to_url: bytes | None
    extensions: list[str]
    object_key: str | None
    source_bytes: int | None
    processed_bytes: int
    progress: dict[str, Any] | None
    warnings: int
    is_succeeded: bool | None
    verified: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancelled_at: datetime | None

    @property
    def name(self) -> str:
        """The name in both CLIs: `b007` for a manual backup, `a007` for a scheduled one, `r007` a restore, `c007` a copy."""
        letter = {"restore": "r", "copy": "c"}.get(self.kind, "a" if self.schedule_id else "b")
        return f"{letter}{self.number:03}"


@dataclass(frozen=True)
class TransferLogRow:
    id: int
    transfer_id: UUID
    at: datetime
    level: str
    message: str


@dataclass(frozen=True)
class TransferScheduleRow:
    """Daily at `hour` of `timezone`; `attachment` names the database inside the app."""

    id: UUID
    app_id: UUID
    attachment: str
    hour: int
    timezone: str
    next_at: datetime
    verify_at: datetime
    created_at: datetime
