"""The rows of `pg:info`, in the order of both CLIs. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from changeover.platform.databases import Description
from changeover.platform.things import Behind

Row = dict[str, Any]
UNITS = ("B", "kB", "MB", "GB", "TB")


def info_rows(seen: Description) -> list[Row]:
    """The CLIs leave out rows without values. This is the order on the screen."""
    tier = seen.plan.tier
    head = [_row("Plan", seen.plan.human_name), _row("Status", seen.status)]
    size = _size_rows(seen)
    if tier.is_external:
        rows = head + _external_rows(seen, size)
    else:
        rows = head + (_essential_rows(seen, size) if tier.is_shared else _own_server_rows(seen, size))
    return [row for row in rows if row["values"]]


def _external_rows(seen: Description, size: dict[str, Row]) -> list[Row]:
    """Without rows that only the provider knows: backups, maintenance, its own followers."""
    return [
        size["Data Size"], size["Tables"], size["PG Version"], size["Connections"],
        _row("Connection Pooling", seen.pooling), _row("Credentials", str(seen.credentials)),
        _row("Fork/Follow", "Unsupported"), _row("Rollback", "Unsupported"), _created(seen),
        _row("Server", f"{seen.url.host}:{seen.url.port} (external)"),
    ]  # fmt: skip


def _essential_rows(seen: Description, size: dict[str, Row]) -> list[Row]:
    return [
        size["Connections"], size["PG Version"], _created(seen), size["Data Size"], size["Tables"],
        _row("Fork/Follow", "Unsupported"), _row("Rollback", "Unsupported"), _row("Continuous Protection", "Off"),
    ]  # fmt: skip


def _own_server_rows(seen: Description, size: dict[str, Row]) -> list[Row]:
    return [
        size["Data Size"],
        size["Tables"],
        size["PG Version"],
        size["Connections"],
        _row("Connection Pooling", seen.pooling),
        _row("Credentials", str(seen.credentials)),
        _row("Fork/Follow", "Unavailable on followers" if seen.leader else "Available"),
        _row("Rollback", "Unsupported"),
        _created(seen),
        _row("Region", seen.addon.region),
        _row("Continuous Protection", "Off"),
        _urls("Forked From", [seen.database.forked_from] if seen.database.forked_from else []),
        _urls("Following", [seen.leader_url.bare] if seen.leader_url else []),
        _row("Behind By", *([behind_text(seen.behind)] if seen.leader else [])),
        _urls("Followers", [f"postgres://{one.address}:{one.port}/{one.database_name}" for one in seen.followers]),
        _row("Maintenance", "not required"),
        *_warning_rows(seen),
    ]


def behind_text(behind: Behind | None) -> str:
    """`125 commits`. Scripts wait for `0 commits`."""
    if behind is None:
        return "unknown (a server does not answer)"
    if behind.is_lost:
        return "lost (the leader no longer has the log that it needs)"
    if behind.commits is None:
        return f"unknown ({human_bytes(behind.bytes)} of log)"
    return f"{behind.commits} commits"


def behind_json(behind: Behind | None) -> Row | None:
    """Ours, in addition to the rows: all three measures, and whether the commits were counted or estimated."""
    if behind is None:
        return None
    return {
        "commits": behind.commits,
        "sampled": not behind.is_exact,
        "bytes": behind.bytes,
        "seconds": round(behind.seconds, 3),
        "streaming": behind.is_streaming,
        "lost": behind.is_lost,
    }


def human_bytes(amount: int) -> str:
    """In decimal units, unlike PostgreSQL's: `13.8 MB`."""
    size = float(amount)
    for unit in UNITS:
        if size < 1000 or unit == UNITS[-1]:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.2f}".rstrip("0").rstrip(".") + f" {unit}"
        size /= 1000
    raise AssertionError("unreachable")


def _size_rows(seen: Description) -> dict[str, Row]:
    facts, plan = seen.facts, seen.plan
    if facts is None:
        return {name: _row(name) for name in ("Data Size", "Tables", "PG Version", "Connections")}
    limit = f" / {plan.storage_gb} GB" if plan.storage_gb else ""
    allowed = plan.connections or facts.max_connections
    return {
        "Data Size": _row("Data Size", f"{human_bytes(facts.data_bytes)}{limit}"),
        "Tables": _row("Tables", str(facts.tables)),
        "PG Version": _row("PG Version", facts.version),
        "Connections": _row("Connections", f"{facts.connections}/{allowed}"),
    }


def _warning_rows(seen: Description) -> list[Row]:
    if seen.behind is not None and seen.behind.is_lost:
        return [_row("Warning", "It can never catch up. Destroy it and create a new follower.")]
    if seen.leader is not None and seen.behind is not None and not seen.behind.is_streaming:
        return [_row("Warning", "It currently receives nothing from its leader.")]
    return []


def _created(seen: Description) -> Row:
    at: datetime = seen.addon.created_at
    return _row("Created", at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"))


def _row(name: str, *values: str) -> Row:
    return {"name": name, "values": list(values)}


def _urls(name: str, urls: list[str]) -> Row:
    return {"name": name, "values": urls, "resolve_db_name": True}
