"""Each process and each pair of them, killed or asleep for 20 s, whatever is under way: no acknowledged row is lost.

Some by chance in each run, all of them with `bin/test --long`. CRASH_SEED repeats a run. Changeovers, with each hold and in each
phase, are in tests/changeovers/test_crashes*.py; a full disk is in test_full_disk.py.
"""

from __future__ import annotations

import itertools
import random
import signal
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from tests.changeovers.fix_crashes import SEED
from tests.fix_control_plane import running_plane, wait_until
from tests.fix_provider import Provider
from tests.trouble.scene import PHASES, Scene, begin, ordering, prove_nothing_lost, working_on

VICTIMS = (
    "parent",
    "control-plane",
    "worker",
    "state",
    "leader",
    "pooler",
    "router",
    "supervisord",
    "log-keeper",
    "copy",
)
SLEEP_S = 20.0
ORDINARY = 2


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    for plane in running_plane():
        yield from working_on(plane)


def cases() -> list[Any]:
    """Pairs and single ones, of which `copy` needs something that copies."""
    victims = [*((one,) for one in VICTIMS), *itertools.combinations(VICTIMS, 2)]
    every = [
        (phase, whom, fault)
        for phase, whom, fault in itertools.product(PHASES, victims, (signal.SIGKILL, signal.SIGSTOP))
        if (phase != "idle" or "copy" not in whom) and (fault == signal.SIGKILL or len(whom) == 1)
    ]
    chance = random.Random(SEED)  # noqa: S311 - chosen by chance, not secret
    kills = [one for one in every if one[2] == signal.SIGKILL]
    chosen = chance.sample(kills, ORDINARY)
    return [
        pytest.param(*one, id=f"{one[2].name} {'+'.join(one[1])} at {one[0]}, seed {SEED}",
                     marks=[] if one in chosen else [pytest.mark.long])
        for one in every
    ]  # fmt: skip


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("phase", "victims", "fault"), cases())
def test_a_fault_loses_nothing_and_leaves_nothing(
    scene: Scene, provider: Provider, phase: str, victims: tuple[str, ...], fault: signal.Signals
) -> None:
    with ordering(scene) as witness:
        wait_until(lambda: witness.accepted, what="the first order")
        finish = begin(phase, scene, provider)
        struck = [one for one in map(scene.find, victims) if one is not None]
        for one in struck:
            one.send_signal(fault)
        if fault == signal.SIGKILL and "parent" in victims:
            scene.plane.wait()  # a signal is not a death yet, and `recover` starts what is dead
        if fault == signal.SIGSTOP:
            psutil.wait_procs(struck, timeout=SLEEP_S)
            for one in struck:
                assert one.is_running(), "it was only asleep"
                one.send_signal(signal.SIGCONT)
        scene.recover()
        finish()
        seen = len(witness.accepted)
        wait_until(lambda: len(witness.accepted) > seen, what="an order afterwards", timeout_s=60)

    prove_nothing_lost(scene, witness)
