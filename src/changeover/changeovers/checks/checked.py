"""The answer: findings, and the facts for whoever prepares the move. Plain values; holds no secret."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from changeover.changeovers.checks.finding import Finding, counted, in_bytes, in_time
from changeover.changeovers.checks.providers import Provider
from changeover.changeovers.checks.visitors import Client

Verdict = Literal["ready", "not ready", "unknown"]
LOADS_PER_S = 40_000_000
"""Bytes of tables that an ordinary target takes in a second over two connections. An assumption, and said to be one."""
INDEXES_PER_S = 60_000_000
PER_TABLE_S = 0.01
"""Its schema, keys, statistics and comparison, however few rows it has: measured with 5,000 tables on two cores."""
FIXED_S = 15
"""Connections, roles, the comparison of both schemas: for any size."""


@dataclass(frozen=True)
class ServerReport:
    """One side. `system_identifier` is None where the login may not ask for it."""

    address: str
    """For people, without any secret."""
    database: str
    user: str
    version: str
    version_num: int
    system_identifier: str | None
    is_in_recovery: bool
    is_superuser: bool
    has_tls: bool
    encoding: str
    provider: Provider


@dataclass(frozen=True)
class ExtensionReport:
    """`target` is the version that the target has or can create; None: none; without a target: what this machine has."""

    name: str
    version: str
    schema: str
    target: str | None
    status: Literal["installed", "available", "older", "lacking", "left out", "ignored"]
    """`ignored` is the source's provider's own; `left out` is one that the target can do without, and has not."""


@dataclass(frozen=True)
class SettingReport:
    """`source` and `target` are None where that side doesn't have it; `(hidden)` where it may hold a password."""

    name: str
    source: str | None
    target: str | None
    unit: str
    category: str
    says: str


@dataclass(frozen=True)
class TableReport:
    name: str
    table_bytes: int
    """With TOAST, without indexes."""
    index_bytes: int
    rows: int
    """An estimate."""


@dataclass(frozen=True)
class Size:
    """`bytes` is all that the database takes on the source's disk."""

    bytes: int
    table_bytes: int
    index_bytes: int
    tables: int
    biggest: tuple[TableReport, ...]
    limit_bytes: int
    is_over_limit: bool


@dataclass(frozen=True)
class Forecast:
    """How long writers would have to wait when they are held for the whole copy."""

    downtime_s: float
    because: str


@dataclass(frozen=True)
class RoleReport:
    """A role that owns something in the source, or may do something there. `is_on_target` is None without one."""

    name: str
    may_log_in: bool
    is_superuser: bool
    is_reserved: bool
    is_on_target: bool | None


@dataclass(frozen=True)
class Checked:
    """One session of checks."""

    findings: tuple[Finding, ...]
    source: ServerReport | None = None
    """None when it was not looked at: the address is a pooler's."""
    target: ServerReport | None = None
    extensions: tuple[ExtensionReport, ...] = ()
    settings: tuple[SettingReport, ...] = ()
    size: Size | None = None
    forecast: Forecast | None = None
    clients: tuple[Client, ...] = ()
    sampled_s: float = 0
    roles: tuple[RoleReport, ...] = ()
    keeps_owners: bool = True
    """The target can give what is moved to the same owners."""

    @property
    def verdict(self) -> Verdict:
        results = {finding.result for finding in self.findings}
        return "not ready" if "failed" in results else "unknown" if "unknown" in results else "ready"

    @property
    def counts(self) -> dict[str, int]:
        """How many checks (not findings) came to each result; of several answers the worst counts."""
        worst: dict[str, int] = {}
        for finding in self.findings:
            worst[finding.id] = max(worst.get(finding.id, 0), _GRAVITY.index(finding.result))
        return {result: sum(1 for one in worst.values() if _GRAVITY[one] == result) for result in _GRAVITY}

    def skips(self) -> dict[str, Any]:
        """What a copy has to leave out, as a job's fields."""
        extensions, schemas, roles, keeps_owners = traits_of(self)
        return {
            "skip_extensions": list(extensions), "skip_schemas": list(schemas), "skip_roles": list(roles),
            "keeps_owners": keeps_owners,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"verdict": self.verdict, "counts": self.counts, **asdict(self)}


_GRAVITY = ("passed", "warning", "unknown", "failed")


def traits_of(checked: Checked) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], bool]:
    """skip_extensions, skip_schemas, reserved_roles, keeps_owners: what a snapshot job is told of the provider."""
    if checked.source is None:
        return (), (), (), True
    provider = checked.source.provider
    keeps_owners = provider.keeps_owners and checked.keeps_owners
    left_out = tuple(one.name for one in checked.extensions if one.status == "left out")
    return provider.skip_extensions + left_out, provider.skip_schemas, provider.reserved_roles, keeps_owners


def forecast(size: Size, line_bytes_per_s: float | None) -> Forecast:
    """Tables at the slower of line and target, then indexes, then what each table costs, then what any size costs."""
    rate = min(line_bytes_per_s or LOADS_PER_S, LOADS_PER_S)
    seconds = size.table_bytes / rate + size.index_bytes / INDEXES_PER_S + size.tables * PER_TABLE_S + FIXED_S
    slower = "the line, as measured" if rate < LOADS_PER_S else "a target of ordinary speed, which was not tried"
    because = (
        f"{in_bytes(size.table_bytes)} of tables at {in_bytes(rate)} a second ({slower}), "
        f"{in_bytes(size.index_bytes)} of indexes at {in_bytes(INDEXES_PER_S)} a second (assumed), "
        f"{in_time(size.tables * PER_TABLE_S)} for {counted(size.tables, 'table')} of any size (assumed), "
        f"{in_time(FIXED_S)} for the rest"
    )
    return Forecast(round(seconds, 1), because)
