"""Orders by itself, over connections of its own, until SIGTERM; an order under way is finished.

Each acknowledged order is noted in the folder NOTES, with the moment (nanoseconds of the machine's monotonic clock), and
the note is on the disk before the next order: what stands there must still be found later.
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
"""Of each connection: enough to be busy, calm enough for a laptop."""
NOTE = "{order:019d} {at_ns:019d}\n"
"""All of one length: their number is seen from the file's size."""


def order_on(number: int, notes: Path, told_to_end: threading.Event) -> None:
    # unbuffered: a line is in the file before it is synced
    with connect() as database, (notes / f"{os.getpid()}-{number}").open("ab", buffering=0) as file:
        while not told_to_end.is_set():
            order = time.time_ns() // 1000 * 10 + number  # unlike any other, over restarts too
            take(database, order, f"worker {number}", 100 + order % 900)
            file.write(NOTE.format(order=order, at_ns=time.monotonic_ns()).encode())
            os.fsync(file.fileno())
            told_to_end.wait(1 / PER_SECOND)


def end_at_once(failed: threading.ExceptHookArgs) -> None:
    """What fails in a thread ends the process, which whoever keeps it then starts again."""
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
