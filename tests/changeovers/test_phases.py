"""The phases of the pause: one table for the report, the docs and the CLI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from changeover.changeovers.phases import FOLLOWER, PHASES, SNAPSHOT, is_reached, phases_of, present_phase

PAGE = Path(__file__).resolve().parents[2] / "docs/commands.md"
NAMES = [phase.name for phase in PHASES]


def test_the_docs_have_the_phases_in_their_order() -> None:
    page = PAGE.read_text()
    rows = re.findall(r"^\| ([a-z ]+) \| ([^|]+) \| ([a-z, ]+) \|$", page[page.index("| phase | what") :], re.MULTILINE)

    assert rows[: len(PHASES) + 1] == [
        ("phase", "what happens", "method"),
        *((phase.name, phase.says, ", ".join(phase.methods)) for phase in PHASES),
    ]


def test_a_pause_that_has_reached_nothing_is_past_no_phase() -> None:
    assert not any(is_reached(name, None) for name in NAMES)


@pytest.mark.parametrize("reached", NAMES)
def test_a_pause_is_past_every_phase_up_to_the_one_that_it_has_reached(reached: str) -> None:
    assert [name for name in NAMES if is_reached(name, reached)] == NAMES[: NAMES.index(reached) + 1]


@pytest.mark.parametrize(
    ("method", "reached", "present"),
    [
        (SNAPSHOT, None, "held"),
        (SNAPSHOT, "held", "copied"),
        (SNAPSHOT, "compared", "point of no return"),
        (SNAPSHOT, "released", "released"),
        (FOLLOWER, None, "armed"),
        (FOLLOWER, "drained", "point of no return"),
    ],
)
def test_the_present_phase_is_the_first_that_is_not_reached(method: str, reached: str | None, present: str) -> None:
    assert present_phase(method, reached).name == present


@pytest.mark.parametrize("method", [FOLLOWER, SNAPSHOT])
def test_writers_are_held_before_and_released_after_the_point_of_no_return(method: str) -> None:
    names = [phase.name for phase in phases_of(method)]

    assert names.index("held") < names.index("point of no return") < names.index("routed") < names.index("released")
