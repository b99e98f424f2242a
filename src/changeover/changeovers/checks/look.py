"""What checks have access to: the open servers, the clients of the source, the installations of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from changeover.changeovers.checks.clients import ClientSample
from changeover.changeovers.checks.side import Side
from changeover.postgres.connect import Connection
from changeover.postgres.installations import Installation


@dataclass(frozen=True)
class Line:
    """Measurements of the network between this machine and one server."""

    round_trips_ms: tuple[float, ...] = ()
    bytes_per_s: float | None = None
    clock_offset_s: float | None = None
    """The server's clock minus ours."""


@dataclass
class Look:
    """The state of one run of all checks. `sample` and `lines` are filled during the run."""

    source: Side
    other: Connection
    """A second session on the source, used by one check at a time."""
    target: Side | None
    offered: Sequence[Installation]
    mark: str | None = None
    """Of the migration that runs the checks. What it left on the target is allowed."""
    sample: ClientSample = field(default_factory=ClientSample)
    lines: dict[str, Line] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    """Extensions that are not needed on the target, and missing there."""

    @property
    def there(self) -> Side:
        """The target, for checks that only run with one."""
        if self.target is None:
            raise LookupError("There is no target.")
        return self.target

    @property
    def sides(self) -> list[Side]:
        return [self.source, self.target] if self.target else [self.source]
