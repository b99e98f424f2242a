"""Eight clients that order at an even rate, in a process of their own: what was acknowledged when, and is it there.

`python bench/orders.py URL PER_SECOND` orders until its standard input ends, then prints one JSON line.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg

CLIENTS = 8
SETTLE_S = 1.0


@dataclass
class Seen:
    """What the clients saw; filled in once they have ended."""

    acknowledged: int = 0
    failed: int = 0
    lost: int = 0
    longest_gap_ms: float = 0.0


@contextmanager
def orders_at(url: str, *, per_second: int) -> Iterator[Seen]:
    """Orders flow while the block runs, and for a second before and after it."""
    seen = Seen()
    command = [sys.executable, "-P", __file__, url, str(per_second)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "ordering\n"
        time.sleep(SETTLE_S)
        yield seen
        time.sleep(SETTLE_S)
        process.stdin.close()
        for name, value in json.loads(process.stdout.read()).items():
            setattr(seen, name, value)


@dataclass
class Clients:
    """All eight, and what they were told."""

    url: str
    every_s: float
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(time.time_ns()))

    def order(self) -> None:
        """One client. Late orders are not made up for: a pause is no reason for a burst."""
        with psycopg.connect(self.url, autocommit=True, prepare_threshold=None) as database:
            due = time.monotonic()
            while not self.over.is_set() and not database.closed:
                number = next(self.numbers)
                try:
                    database.execute("INSERT INTO orders (id) VALUES (%s)", [number])
                    self.acknowledged.append((number, time.monotonic()))
                except psycopg.Error as failure:
                    self.failed.append(str(failure))
                due = max(due + self.every_s, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))


def main() -> None:
    clients = Clients(sys.argv[1], CLIENTS / int(sys.argv[2]))
    threads = [threading.Thread(target=clients.order) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    print("ordering", flush=True)
    sys.stdin.read()
    clients.over.set()
    for thread in threads:
        thread.join()
    for text in set(clients.failed):
        print(text, file=sys.stderr)
    print(json.dumps(told(clients)))


def told(clients: Clients) -> dict[str, float]:
    moments = sorted(at for _, at in clients.acknowledged)
    gaps = [later - former for former, later in itertools.pairwise(moments)]
    with psycopg.connect(clients.url, prepare_threshold=None) as database:
        there = {row[0] for row in database.execute("SELECT id FROM orders")}
    return {
        "acknowledged": len(moments),
        "failed": len(clients.failed),
        "lost": sum(number not in there for number, _ in clients.acknowledged),
        "longest_gap_ms": max(gaps) * 1000,
    }


if __name__ == "__main__":
    main()
