"""Sends orders over its own connections until SIGTERM. An order in progress is completed.

Each acknowledged order is recorded in the folder NOTES, with the time (nanoseconds of the machine's monotonic clock). The
record is on disk before the next order. Every recorded order must be found later.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

from .orders import connect, take

CONNECTIONS = 4
PER_SECOND = 25
"""Per connection: enough load, but not too much for a laptop."""
NOTE = "{order:019d} {at_ns:019d}\n"
"""All lines have the same length, so the file's size gives their number."""


def order_on(number: int, notes: Path, told_to_end: threading.Event) -> None:
    # unbuffered: a line is in the file before it is synced
    with connect() as database, (notes / f"{os.getpid()}-{number}").open("ab", buffering=0) as file:
        while not told_to_end.is_set():
            order = time.time_ns() // 1000 * 10 + number  # unique, even across restarts
            take(database, order, f"worker {number}", 100 + order % 900)
            file.write(NOTE.format(order=order, at_ns=time.monotonic_ns()).encode())
            os.fsync(file.fileno())
            told_to_end.wait(1 / PER_SECOND)


def end_at_once(failed: threading.ExceptHookArgs) -> None:
    """A failure in a thread ends the process, so that it is restarted."""
    print(failed.exc_value, flush=True)
    os._exit(1)


def main() -> None:
    told_to_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
    threading.excepthook = end_at_once
    notes = Path(os.environ["NOTES"])
    threads = [threading.Thread(target=order_on, args=(number, notes, told_to_end)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
