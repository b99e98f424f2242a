"""The result of a comparison: its parts, the first differences by name, and what is unknown. Values only."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Result = Literal["equal", "differs", "unknown"]
SHOWN = 50
"""How many differences of each part are listed. The others are only counted."""


@dataclass(frozen=True)
class Difference:
    """One difference. Rows are identified by their keys. Other values are included only on request."""

    thing: str
    """`table public.orders`, `index public.orders_customer_idx`, `sequence public.orders_id_seq`."""
    says: str
    """What is different, as a phrase that follows `thing`: `is missing on the target`."""
    rows: str = ""
    """The first range of rows that differs, as its bounds: `id from 1 to 500`."""
    key: dict[str, str] = field(default_factory=dict)
    """The first row that differs: its key, column by column, or its `ctid` in a table without a key."""
    columns: tuple[str, ...] = ()
    """The columns of that row that differ. Empty when the row is on one side only."""
    values: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """The source's and target's values by column, truncated. Only on request."""

    def __str__(self) -> str:
        row = ", ".join(f"{name} {value}" for name, value in self.key.items())
        parts = (
            f"{self.thing} {self.says}",
            self.rows and f"first range: {self.rows}",
            row and f"first row: {row}",
            self.columns and f"columns: {', '.join(self.columns)}",
        )
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True)
class Unknown:
    """Something that could not be compared, and why."""

    thing: str
    why: str

    def __str__(self) -> str:
        return f"{self.thing}: {self.why}"


@dataclass
class Part:
    """Schema, tables, sequences, large objects or extensions."""

    name: str
    compared: int = 0
    """How many objects of this kind were compared."""
    how: str = ""
    """The method: `record hashes`, `counts`."""
    differences: list[Difference] = field(default_factory=list)
    differences_total: int = 0
    unknown: list[Unknown] = field(default_factory=list)
    unknown_total: int = 0
    notes: list[str] = field(default_factory=list)
    """Remarks that are not differences."""

    def differs(self, difference: Difference) -> None:
        self.differences_total += 1
        if len(self.differences) < SHOWN:
            self.differences.append(difference)

    def is_unknown(self, thing: str, why: str) -> None:
        self.unknown_total += 1
        if len(self.unknown) < SHOWN:
            self.unknown.append(Unknown(thing, " ".join(why.split())))

    @property
    def result(self) -> Result:
        if self.differences_total:
            return "differs"
        return "unknown" if self.unknown_total else "equal"


@dataclass(frozen=True)
class Comparison:
    """The result. `is_equal` only if every part was compared completely and nothing differs."""

    parts: tuple[Part, ...]
    is_quick: bool
    """Rows were counted but not read."""
    bytes_compared: int
    """Size of the source's tables, including TOAST data."""
    rows_compared: int
    rows_seconds: float
    """The time to compare the rows."""
    seconds: float
    """The total time."""

    @property
    def differences(self) -> list[Difference]:
        return [one for part in self.parts for one in part.differences]

    @property
    def unknown(self) -> list[Unknown]:
        return [one for part in self.parts for one in part.unknown]

    @property
    def result(self) -> Result:
        results = {part.result for part in self.parts}
        return "differs" if "differs" in results else "unknown" if "unknown" in results else "equal"

    @property
    def is_equal(self) -> bool:
        return self.result == "equal"

    @property
    def gb_per_s(self) -> float:
        """10^9 bytes of the source's tables per second of comparing rows. Both sides are read concurrently."""
        return self.bytes_compared / self.rows_seconds / 1e9 if self.rows_seconds else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: {result, parts: [{name, result, …}], differences, unknown, bytes_compared, seconds, gb_per_s}."""
        return {
            "result": self.result,
            "is_quick": self.is_quick,
            "parts": [asdict(part) | {"result": part.result} for part in self.parts],
            "differences": [asdict(one) | {"text": str(one)} for one in self.differences],
            "unknown": [asdict(one) for one in self.unknown],
            "bytes_compared": self.bytes_compared,
            "rows_compared": self.rows_compared,
            "rows_seconds": round(self.rows_seconds, 3),
            "seconds": round(self.seconds, 3),
            "gb_per_s": round(self.gb_per_s, 3),
        }
