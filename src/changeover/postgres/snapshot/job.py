"""The order that the program gets on its standard input, and the files in its work folder by which it answers.

WORK/progress.json   how far it is (`Progress.as_dict()`), replaced in one act at most four times a second
WORK/outcome.json    written last of all: {"report": …} or {"error": ChangeoverError.as_dict()}
WORK/log             everything that it and its children said
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from changeover.postgres.filters import Filters


@dataclass(frozen=True)
class Job:
    """What to bring where. Both addresses hold passwords: they travel by the pipe and are never written to a file."""

    source: str
    """A URL (`Location.url`), certificates included."""
    target: str
    run: str
    """RUN:EPOCH, the application name of its sessions, so that a successor can end them."""
    mark: str
    """Names this migration on the target for ever: what an earlier attempt with the same mark left is gone on with."""
    connections: int = 2
    """How many tables, ranges or indexes are worked on at once."""
    installations: tuple[str, ...] = ()
    """Further PostgreSQL installations of this host, whose pg_dump and pg_restore may be used."""
    skip_extensions: tuple[str, ...] = ()
    """Those of the source that the provider reserves or that the target can do without."""
    skip_schemas: tuple[str, ...] = ()
    filters: Filters = field(default_factory=Filters)
    """Which part of the source is wanted."""
    skip_roles: tuple[str, ...] = ()
    """The provider's own, which nobody else has: never made. What they own belongs to the target's own role."""
    keeps_owners: bool = True
    """False: everything belongs to the role of the target's address, and no rights are brought."""
    refresh: Literal["all", "none"] = "all"
    """Fill the materialized views that are filled on the source, or leave all of them empty."""
    is_held: bool = False
    """Writers have been held back since before it began: a lost snapshot is taken anew, and what is copied counts."""
    keeps_ledger: bool = False
    """The ledger stays, so that what was made can still be removed: `forget_ledger` or `clean` ends it."""
    range_bytes: int = 4 << 30
    """A table that takes more is copied in ranges of about this size; so no more than that is ever done twice."""
    patience_s: float = 600
    """How long a server that does not answer is waited for, from the last sign of it, before the program gives up."""

    def as_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        given: dict[str, Any] = json.loads(text)
        for name in ("installations", "skip_extensions", "skip_schemas", "skip_roles"):
            given[name] = tuple(given[name])
        given["filters"] = Filters.of(given.get("filters", {}))
        return cls(**given)
