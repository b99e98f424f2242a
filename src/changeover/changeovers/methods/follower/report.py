"""The report of a changeover: its phases to the millisecond, both sides, what was rejected, what was not proven."""

from __future__ import annotations

from typing import Any

from changeover.changeovers.ends.databases import Sides
from changeover.platform.scope import Parts
from changeover.store.changeover_rows import ChangeoverRow

NOT_PROVEN = (
    "That no client kept a write to itself that was never acknowledged.",
    "That the rows of both sides are equal: the target is a physical copy, and was not compared row by row.",
)


async def final_report(parts: Parts, row: ChangeoverRow, sides: Sides) -> dict[str, Any]:
    """`pause_s`: what people saw. By maintenance from the page's coming to its going, pooled from hold to release."""
    events = row.timeline or []
    by_phase = {event["phase"]: event for event in events}
    fenced = by_phase.get("fenced", {})
    health = await parts.engine.health(sides.target)
    return {
        "timeline": events,
        "pause_s": _pause_s(row, events),
        "predicted_pause_s": row.prediction.get("predicted_pause_s"),
        "source": {**(row.end_of_source or {}), "name": row.source_name, "fenced_by": parts.engine.fenced_by(sides.source)},
        "target": {
            "name": row.target_name,
            "timeline": by_phase.get("promoted", {}).get("timeline"),
            "is_writable": health.is_in_recovery is False,
        },
        "rejected": fenced.get("ended", []),
        "refusal": fenced.get("refusal"),
        "prepared_transactions": fenced.get("prepared", []),
        "attempts": row.attempts,
        "not_proven": list(NOT_PROVEN),
    }  # fmt: skip


def _pause_s(row: ChangeoverRow, events: list[dict[str, Any]]) -> float:
    if row.hold == "maintenance" and row.held_at and row.released_at:
        return round((row.released_at - row.held_at).total_seconds(), 3)
    return float(events[-1]["at_s"] - events[0]["at_s"]) if events else 0.0
