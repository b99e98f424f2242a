"""Which options of a migration in progress can still change, at each of its steps and phases. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from changeover.changeovers.holds.hooks import HOOKS
from changeover.changeovers.methods.snapshot.continuing import ORDER, USED_IN, _require_in_time
from changeover.changeovers.methods.snapshot.options import SnapshotOptions
from changeover.errors import NotAvailable
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import RunRow


@dataclass
class At:
    """What the rows of a migration say of where it is."""

    step: str
    phase: str | None = None
    stopped: dict[str, Any] | None = None
    id: int = 7


def may_change(option: str, at: At) -> bool:
    try:
        _require_in_time({option: "new"}, cast(ChangeoverRow, at), cast(RunRow, at))
    except NotAvailable:
        return False
    return True


def changeable(at: At) -> set[str]:
    return {option for option in USED_IN if may_change(option, at)}


LATE = {"on_release"}
ROUTING = LATE | {"on_switch"}
COMPARING = ROUTING | {"verify"}
COPYING = COMPARING | {"keeps_owners", "connections", "refresh"}
HOLDING = COPYING | {"hold", "on_hold", "pgbouncer"}


def test_every_option_is_used_in_a_step_or_phase_that_there_is() -> None:
    options = set(SnapshotOptions.__dataclass_fields__) - {"hooks"} | set(HOOKS)

    assert set(USED_IN) == options
    assert set(USED_IN.values()) <= set(ORDER)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        (At("check"), HOLDING),
        (At("prepare"), COPYING),  # the hold is next: its options may be read at any moment
        (At("cut_over"), COPYING),
        (At("cut_over", "held"), COMPARING),
        (At("cut_over", "copied"), ROUTING),
        (At("cut_over", "compared"), ROUTING),
        (At("cut_over", "point of no return"), LATE),
        (At("release", "routed"), set()),
        (At("finish", "released"), set()),
    ],
)
def test_an_option_can_change_until_its_phase_begins(at: At, expected: set[str]) -> None:
    assert changeable(at) == expected


@pytest.mark.parametrize(
    ("at", "more"),
    [
        (At("cut_over", "held", {}), {"connections", "refresh"}),
        (At("cut_over", "copied", {}), {"verify"}),
        (At("cut_over", "point of no return", {}), {"on_switch"}),
        (At("release", "routed", {}), {"on_release"}),
    ],
)
def test_where_a_phase_has_stopped_what_it_uses_can_change_if_it_can_begin_again(at: At, more: set[str]) -> None:
    running = changeable(At(at.step, at.phase))

    assert changeable(at) == running | more
