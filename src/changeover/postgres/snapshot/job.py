"""The job that the program gets on standard input, and the files in its work folder that it writes.

WORK/progress.json   the progress (`Progress.as_dict()`), replaced atomically at most four times a second
WORK/outcome.json    written at the very end: {"report": …} or {"error": ChangeoverError.as_dict()}
WORK/log             the output of the program and its children
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from changeover.postgres.filters import Filters


@dataclass(frozen=True)
class Job:
    """What to copy where. Both addresses contain passwords. They are sent through a pipe, never written to a file."""

    source: str
    """A URL (`Location.url`), certificates included."""
    target: str
    run: str
    """RUN:EPOCH. It is the application name of the sessions, so a successor can end them."""
    mark: str
    """Identifies this migration on the target permanently. A later attempt with the same mark continues the earlier one."""
    connections: int = 2
    """How many tables, ranges or indexes are worked on concurrently."""
    installations: tuple[str, ...] = ()
    """Additional PostgreSQL installations on this host whose pg_dump and pg_restore may be used."""
    skip_extensions: tuple[str, ...] = ()
    """Extensions of the source that the provider reserves or that the target does not need."""
    skip_schemas: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    """Selects a part of the source."""
    skip_roles: tuple[str, ...] = ()
    """Roles of the provider. Never created. Their objects belong to the target's own role."""
    keeps_owners: bool = True
    """If False, everything belongs to the role in the target's address, and no rights are copied."""
    refresh: Literal["all", "none"] = "all"
    """Fill the materialized views that are filled on the source, or leave all empty."""
    is_held: bool = False
    """Writers have been held since before the start: a lost snapshot is replaced, and copied data stays valid."""
    keeps_ledger: bool = False
    """Keep the ledger, so that what was created can still be removed. `forget_ledger` or `clean` ends it."""
    range_bytes: int = 4 << 30
    """Larger tables are copied in ranges of about this size, so at most this much is ever copied twice."""
    patience_s: float = 600
    """How long to wait for a server that does not answer, from its last sign of life, before giving up."""

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        given: dict[str, Any] = json.loads(text)
        for name in ("installations", "skip_extensions", "skip_schemas", "skip_roles"):
            given[name] = tuple(given[name])
        given["filters"] = Filters.of(given.get("filters", {}))
        return cls(**given)
