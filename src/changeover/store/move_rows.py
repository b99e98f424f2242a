"""The rows of migrations and verifications, as store/migrations/0007 has them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class MigrationRow:
    run_id: int
    mark: str
    source_url: bytes
    target_url: bytes
    source_name: str
    target_name: str
    wish: dict[str, Any]
    hooks: bytes | None
    held: dict[str, Any] | None
    stopped: dict[str, Any] | None
    progress: dict[str, Any] | None
    report: dict[str, Any]
    created_at: datetime


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
