"""The measured app's worker: commits orders at a steady pace over direct connections, and notes each acknowledged one.

Deployed as it is: it imports nothing of ours, and finds its driver beside itself. Times are CLOCK_MONOTONIC's, in
nanoseconds, which every process of a host shares.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).with_name("vendor")))

import psycopg

CONNECTIONS = 8
PER_SECOND = 1000
INSERT = "INSERT INTO orders (id, note) VALUES (%s, %s)"


def main() -> None:
    time.sleep(float(os.environ.get("LOADING_S") or 0))
    told_to_stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_stop.set())
    notes = Path(os.environ["NOTES"]) / f"{time.monotonic_ns()}-{os.getpid()}"
    notes.mkdir()
    (notes / "started").write_text(str(started_ns()))
    workers = [threading.Thread(target=commit, args=(number, notes, told_to_stop)) for number in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def commit(number: int, notes: Path, told_to_stop: threading.Event) -> None:
    """Until told to stop; a commit under way is finished and noted. The note is on the disk before the next commit.

    A line has the order's id and when its commit was acknowledged.
    """
    pause_s = CONNECTIONS / PER_SECOND
    with (
        psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database,
        (notes / f"connection-{number}").open("ab", buffering=0) as file,
    ):
        due_at = time.monotonic()
        while not told_to_stop.is_set():
            order = time.monotonic_ns() * CONNECTIONS + number
            database.execute(INSERT, [order, f"from connection {number}"])
            file.write(f"{order} {time.monotonic_ns()}\n".encode())
            os.fdatasync(file.fileno())
            due_at = max(due_at + pause_s, time.monotonic() - 1)
            told_to_stop.wait(due_at - time.monotonic())


def started_ns() -> int:
    """When this process began, by the kernel's clock of 10 ms."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - ticks * 10**9 // os.sysconf("SC_CLK_TCK")
    return time.monotonic_ns() - age_ns


if __name__ == "__main__":
    main()
