"""Formats of times in both APIs."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(at: datetime) -> str:
    """`2026-01-01T00:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def maybe_iso(at: datetime | None) -> str | None:
    return iso(at) if at else None


def spaced(at: datetime) -> str:
    """`2026-01-01 00:00:00 +0000`, the format of the Data API."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S +0000")
