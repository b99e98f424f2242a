"""In the parent, and so in the job worker that it forks: does harm once, as soon as a cut-over reaches a phase.

Tests put this folder on PYTHONPATH. The file that SABOTAGE names says when and what: `PHASE SIGNAL PID…` (PID 0: the
worker itself). Before the harm is done it is renamed to `….done`, with the moment (monotonic) in it: a successor is left
alone, and a test sees that the phase was hit.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

ORDER = Path(os.environ.get("SABOTAGE", "/nonexistent"))


def harm(phase: str) -> None:
    try:
        wanted, name, *pids = ORDER.read_text().split("\t")
    except FileNotFoundError:
        return
    if wanted != phase:
        return
    ORDER.write_text(str(time.monotonic()))
    ORDER.rename(ORDER.with_suffix(".done"))
    with until_told() if name == "SIGTERM" else nullcontext():
        for pid in map(int, pids):
            os.kill(pid or os.getpid(), signal.Signals[name])


@contextmanager
def until_told() -> Iterator[None]:
    """Hold the pause until this worker has been told to stop, by whoever was told first. asyncio hears of it as well."""
    told: list[int] = []
    usual = signal.signal(signal.SIGTERM, lambda number, _frame: told.append(number))
    yield
    deadline = time.monotonic() + 10
    while not told and time.monotonic() < deadline:
        time.sleep(0.005)
    signal.signal(signal.SIGTERM, usual)


if "serve" in sys.orig_argv:  # the worker is forked from it
    from changeover.changeovers.phases import Timeline

    mark = Timeline.mark

    def mark_and_harm(self: Timeline, phase: str, **facts: object) -> None:
        mark(self, phase, **facts)
        harm(phase)

    Timeline.mark = mark_and_harm  # type: ignore[method-assign]
