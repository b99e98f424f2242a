"""Rows of the previous version, in the terms of this one. A whole upgrade: tests/service/test_upgrade_of_changeovers.py."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb
from tests.fix_state import StateDatabase, state_database

from changeover.changeovers.adopting import adopt_changeovers
from changeover.changeovers.phases import PHASES
from changeover.changeovers.steps import KINDS

__all__ = ["state_database"]

WISH = {"hold": "read-only", "verify": "full"}
REPORT = {
    "skips": {"skip_schemas": ["x"]},
    "copy": {"tables": 2},
    "remarks": [],
    "forecast": {"downtime_s": 4.5, "because": "b"},
}
STEPS = {
    "changeover": {"look": "check", "provision": "prepare", "catch_up": "catch_up", "cut_over": "cut_over",
                   "restore": "release", "report": "finish"},
    "migrate": {"check": "check", "hold": "cut_over", "copy": "cut_over", "verify": "cut_over", "switch": "cut_over",
                "release": "release", "tidy": "finish"},
}  # fmt: skip
PHASE = {"copy": "held", "verify": "copied", "switch": "compared", "release": "routed", "tidy": "released"}
HELD = {"hold": "read-only", "since": "2026-11-01T00:00:00+00:00", "before": "off"}


async def made_by_the_previous_version(
    db: psycopg.AsyncConnection[Any], kind: str, step: str, status: str = "running"
) -> int:
    """A run at that step, with its row, by the statements of that version."""
    answer = await db.execute(
        "INSERT INTO runs (kind, subject, host, input, status, step, finished_at)"
        " VALUES (%s, %s, 'here', '{}', %s, %s, CASE WHEN %s <> 'running' THEN now() END) RETURNING id",
        [kind, f"{kind} at {step}", status, step, status],
    )
    [number] = await answer.fetchone() or [0]
    if kind == "migrate":
        await db.execute(
            "INSERT INTO migrations (run_id, mark, source_url, target_url, source_name, target_name, wish, hooks)"
            " VALUES (%s, 'mark', 'a', 'b', 'a', 'b', %s, NULL)", [number, Jsonb(WISH)],
        )  # fmt: skip
        await db.execute("UPDATE migrations SET held = %s WHERE run_id = %s", [Jsonb(HELD), number])
        for part, value in REPORT.items():
            await db.execute(
                "UPDATE migrations SET report = report || %s WHERE run_id = %s", [Jsonb({part: value}), number]
            )
    else:
        await db.execute(
            "INSERT INTO changeovers (run_id, source_id, source_name, target_app_id, hold, prediction, report)"
            " VALUES (%s, gen_random_uuid(), 'a', gen_random_uuid(), 'pooled', '{}', %s)",
            [number, Jsonb({"timeline": [{"phase": "armed", "at_s": 0}]})],
        )
    return int(number)


@pytest.mark.parametrize(("kind", "step"), [(kind, step) for kind, steps in STEPS.items() for step in steps])
async def test_a_run_of_the_previous_version_stands_where_it_stood(
    state_database: StateDatabase, kind: str, step: str
) -> None:
    async with await state_database.connect() as db:
        number = await made_by_the_previous_version(db, kind, step)
        for _ in range(2):
            await adopt_changeovers(db)

    [found] = state_database.look(
        "SELECT step, method, phase, hold, options, held, go_at IS NULL, held_at::date::text, skips, copied, timeline,"
        f" prediction, report, epoch FROM runs JOIN changeovers ON run_id = id WHERE id = {number}"
    )
    epoch = 0 if STEPS[kind][step] == step else 1
    if kind == "migrate":
        prediction = {"predicted_pause_s": 4.5, "prediction_because": "b"}
        assert found == (
            STEPS[kind][step], "snapshot", PHASE.get(step), "read-only", {"verify": "full"}, {"before": "off"}, False,
            "2026-11-01", REPORT["skips"], REPORT["copy"], None, prediction, {"remarks": []}, epoch,
        )  # fmt: skip
        assert state_database.look(f"SELECT wish, held, report FROM migrations WHERE run_id = {number}") == [
            (WISH, HELD, REPORT)
        ]
    else:
        timeline = [{"phase": "armed", "at_s": 0}]
        assert found == (
            STEPS[kind][step], "follower", None, "pooled", {}, None, True, None, None, None, timeline, {}, {"timeline": timeline},
            epoch,
        )  # fmt: skip


@pytest.mark.parametrize(("kind", "step"), [("changeover", "report"), ("migrate", "tidy")])
async def test_what_the_previous_version_has_done_is_past_every_phase(
    state_database: StateDatabase, kind: str, step: str
) -> None:
    async with await state_database.connect() as db:
        number = await made_by_the_previous_version(db, kind, step, "done")
        await adopt_changeovers(db)

    query = f"SELECT step, phase, epoch FROM runs JOIN changeovers ON run_id = id WHERE id = {number}"
    assert state_database.look(query) == [("finish", "released", 0)]


def test_each_kind_of_run_has_a_method_and_its_pause_has_phases() -> None:
    assert set(KINDS) == set(STEPS)
    assert {method for phase in PHASES for method in phase.methods} == {"follower", "snapshot"}
