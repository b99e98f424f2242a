"""A row about a database that a changeover left behind, as the last look found it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any


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
