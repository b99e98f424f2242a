"""Everything that the checks look at: the open servers, who was seen at the source, what this machine offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from changeover.changeovers.checks.side import Side
from changeover.changeovers.checks.visitors import Visitors
from changeover.postgres.connect import Connection
from changeover.postgres.installations import Installation


@dataclass(frozen=True)
class Line:
    """What lies between this machine and one server, measured."""

    round_trips_ms: tuple[float, ...] = ()
    bytes_per_s: float | None = None
    clock_offset_s: float | None = None
    """How far the server's clock is before ours."""


@dataclass
class Look:
    """One session of checks. `visitors` and `lines` are filled while it goes on."""

    source: Side
    other: Connection
    """A second session on the source, not shared with anybody."""
    target: Side | None
    offered: Sequence[Installation]
    mark: str | None = None
    """Of the migration that asks: what it left on the target before is no obstacle."""
    visitors: Visitors = field(default_factory=Visitors)
    lines: dict[str, Line] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    """Extensions that the target can do without, and has not."""

    @property
    def there(self) -> Side:
        """The target, for checks that are only asked when there is one."""
        if self.target is None:
            raise LookupError("There is no target.")
        return self.target

    @property
    def sides(self) -> list[Side]:
        return [self.source, self.target] if self.target else [self.source]
