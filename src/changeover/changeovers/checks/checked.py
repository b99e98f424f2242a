"""The result: findings, and facts for planning the move. Plain values without any secret."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from changeover.changeovers.checks.clients import Client
from changeover.changeovers.checks.finding import Finding, counts_of
from changeover.changeovers.checks.providers import Provider
from changeover.quantities import counted, in_bytes, in_time

Verdict = Literal["ready", "not ready", "unknown"]
LOADS_PER_S = 40_000_000
"""Bytes of tables that an ordinary target loads per second over two connections. Assumed, and reported as such."""
INDEXES_PER_S = 60_000_000
PER_TABLE_S = 0.01
"""For schema, keys, statistics and comparison of a table with any number of rows. Measured with 5,000 tables on two cores."""
FIXED_S = 15
"""Connections, roles and the comparison of both schemas, for any size."""


@dataclass(frozen=True)
class ServerReport:
    """One side. `system_identifier` is None if the login may not read it."""

    address: str
    """For display, without any secret."""
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
    """`target` is the version that the target has or can create, or None. Without a target: the version on this machine."""

    name: str
    version: str
    schema: str
    target: str | None
    status: Literal["installed", "available", "older", "lacking", "left out", "ignored"]
    """`ignored` belongs to the source's provider; `left out` is not needed on the target, and missing there."""


@dataclass(frozen=True)
class SettingReport:
    """`source` and `target` are None if that side doesn't have it, and `(hidden)` if it may contain a password."""

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
    """`bytes` is the database's total size on the source's disk."""

    bytes: int
    table_bytes: int
    index_bytes: int
    tables: int
    biggest: tuple[TableReport, ...]
    limit_bytes: int
    is_over_limit: bool


@dataclass(frozen=True)
class Forecast:
    """How long writers would have to wait if they were held for the whole copy."""

    downtime_s: float
    because: str


@dataclass(frozen=True)
class RoleReport:
    """A role that owns objects or has rights in the source. `is_on_target` is None without a target."""

    name: str
    may_log_in: bool
    is_superuser: bool
    is_reserved: bool
    is_on_target: bool | None


@dataclass(frozen=True)
class Checked:
    """The result of one check of both sides."""

    findings: tuple[Finding, ...]
    source: ServerReport | None = None
    """None if the address is a pooler's, because nothing was checked then."""
    target: ServerReport | None = None
    extensions: tuple[ExtensionReport, ...] = ()
    settings: tuple[SettingReport, ...] = ()
    size: Size | None = None
    forecast: Forecast | None = None
    clients: tuple[Client, ...] = ()
    sampled_s: float = 0
    roles: tuple[RoleReport, ...] = ()
    keeps_owners: bool = True
    """The target can give moved objects to the same owners."""

    @property
    def verdict(self) -> Verdict:
        results = {finding.result for finding in self.findings}
        return "not ready" if "failed" in results else "unknown" if "unknown" in results else "ready"

    @property
    def counts(self) -> dict[str, int]:
        """The number of checks (not findings) by result. The worst answer of a check counts."""
        return counts_of(self.findings)

    def skips(self) -> dict[str, Any]:
        """What a copy has to leave out, as fields of a job."""
        extensions, schemas, roles, keeps_owners = traits_of(self)
        return {
            "skip_extensions": list(extensions), "skip_schemas": list(schemas), "skip_roles": list(roles),
            "keeps_owners": keeps_owners,
        }  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"verdict": self.verdict, "counts": self.counts, **asdict(self)}


def traits_of(checked: Checked) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], bool]:
    """skip_extensions, skip_schemas, reserved_roles, keeps_owners: what a snapshot job needs to know about the provider."""
    if checked.source is None:
        return (), (), (), True
    provider = checked.source.provider
    keeps_owners = provider.keeps_owners and checked.keeps_owners
    left_out = tuple(one.name for one in checked.extensions if one.status == "left out")
    return provider.skip_extensions + left_out, provider.skip_schemas, provider.reserved_roles, keeps_owners


def forecast(size: Size, line_bytes_per_s: float | None) -> Forecast:
    """The time for tables (at the lower rate of network and target), then indexes, then each table, then the fixed rest."""
    rate = min(line_bytes_per_s or LOADS_PER_S, LOADS_PER_S)
    seconds = size.table_bytes / rate + size.index_bytes / INDEXES_PER_S + size.tables * PER_TABLE_S + FIXED_S
    slower = "the network, as measured" if rate < LOADS_PER_S else "an ordinary target, not measured"
    because = (
        f"{in_bytes(size.table_bytes)} of tables at {in_bytes(rate)} per second ({slower}), "
        f"{in_bytes(size.index_bytes)} of indexes at {in_bytes(INDEXES_PER_S)} per second (assumed), "
        f"{in_time(size.tables * PER_TABLE_S)} for {counted(size.tables, 'table')} of any size (assumed), "
        f"{in_time(FIXED_S)} for the rest"
    )
    return Forecast(round(seconds, 1), because)
