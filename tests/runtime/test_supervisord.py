"""Our supervisord rests when nothing happens, whatever became of the descriptors that it once polled."""

from __future__ import annotations

import asyncio
import os
import time

from tests.runtime.fix_dynos import Home

from changeover.runtime.dynos.supervising import supervisors
from changeover.runtime.dynos.supervisord import Poller

RESTS_S = 0.1


def nobody_reads() -> int:
    """The writing end of a pipe without a reader, as the standard input of a dyno is."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    return write_end


def test_a_number_that_means_something_else_by_now_is_not_polled() -> None:
    """A closed connection's number becomes that of a pipe that nobody reads."""
    read_end, write_end = os.pipe()
    kernel = Poller(None)
    kernel.register_readable(read_end)
    assert kernel.poll(0) == ([], [])
    broken = nobody_reads()
    os.dup2(broken, read_end)

    began = time.monotonic()
    assert kernel.poll(RESTS_S) == ([], [])
    assert time.monotonic() - began >= RESTS_S
    for end in (read_end, write_end, broken):
        os.close(end)


def test_who_wants_to_use_a_broken_descriptor_learns_of_it() -> None:
    """A full pipe without a reader is not even writable; its error must reach its user all the same."""
    kernel, broken = Poller(None), nobody_reads()
    kernel.register_writable(broken)
    assert kernel.poll(1) == ([], [broken])
    kernel.register_readable(broken)
    assert kernel.poll(1) == ([broken], [])
    os.close(broken)
    kernel.register_readable(broken)
    assert kernel.poll(1) == ([broken], [])


def test_a_descriptor_can_be_wanted_for_both() -> None:
    kernel, (read_end, write_end) = Poller(None), os.pipe()
    for fd in (read_end, write_end):
        kernel.register_readable(fd)
        kernel.register_writable(fd)
    os.write(write_end, b"!")

    assert kernel.poll(1) == ([read_end], [write_end])
    for fd in (read_end, write_end):
        os.close(fd)


async def test_it_rests_after_many_connections_and_starts(home: Home) -> None:
    for number in range(1, 5):
        await home.dynos.apply(home.app, [home.dyno(f"worker.{n}", "exec sleep 600") for n in range(1, number + 1)])
        await asyncio.gather(*(home.dynos.states() for _ in range(number)))
    await home.until_state("worker.4", "up")
    [supervisor] = supervisors(home.places)

    before_s, began = cpu_s(supervisor.pid), time.monotonic()
    await asyncio.sleep(1)

    assert cpu_s(supervisor.pid) - before_s < 0.3 * (time.monotonic() - began)


def cpu_s(pid: int) -> float:
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
