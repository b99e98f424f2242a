"""What else happens at the database while it moves: somebody reads, somebody holds a transaction, somebody writes directly."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import psycopg
from bench.measured import wait_until
from bench.ours import PLAN, POOLED, Ours

READS_S = 30
HELD_S = 2.0
DIRECT_EVERY_S = 0.01
Company = Callable[[Ours, Counter[str]], AbstractContextManager[str]]
"""Runs beside a changeover: says where that leads to, and counts what came of it."""


@contextmanager
def nobody(_ours: Ours, _came: Counter[str]) -> Iterator[str]:
    yield PLAN


@contextmanager
def a_report(ours: Ours, came: Counter[str]) -> Iterator[str]:
    """Reads the follower for half a minute with one snapshot, while the leader vacuums what that snapshot can see."""
    ours.sql("CREATE TABLE IF NOT EXISTS stock (number int)")
    follower, is_reading, over = ours.new_follower(), threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=_read, args=(ours.config(f"{follower}_URL"), is_reading, came)),
        threading.Thread(target=_vacuum, args=(ours.config(POOLED), is_reading, over, came)),
    ]
    for thread in threads:
        thread.start()
    is_reading.wait(60)
    try:
        yield follower
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _read(url: str, is_reading: threading.Event, came: Counter[str]) -> None:
    with psycopg.connect(url) as database:
        database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        database.execute("SELECT count(*) FROM stock")
        is_reading.set()
        try:
            database.execute("SELECT count(*), pg_sleep(%s) FROM stock", [READS_S])
            came["reports that were finished"] += 1
        except psycopg.Error as ended:
            came[f"reports that ended: {str(ended).splitlines()[0]}"] += 1


def _vacuum(url: str, is_reading: threading.Event, over: threading.Event, came: Counter[str]) -> None:
    is_reading.wait(60)
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as database:
        while not over.wait(1.0):
            try:
                database.execute("INSERT INTO stock SELECT generate_series(1, 100)")
                database.execute("DELETE FROM stock")
                database.execute("VACUUM stock")
            except psycopg.Error as failure:
                came[f"vacuums that failed: {failure}"] += 1


@contextmanager
def an_open_transaction(ours: Ours, came: Counter[str]) -> Iterator[str]:
    """A client of the pooler holds one until it has been named, and for some seconds more."""
    number, former = -time.time_ns(), len(ours.asked("changeovers"))
    with psycopg.connect(ours.config(POOLED), prepare_threshold=None) as idle:
        idle.execute("INSERT INTO orders (id) VALUES (%s)", [number])
        holding = threading.Thread(target=_hold, args=(ours, idle, former, came))
        holding.start()
        yield PLAN
        holding.join()
    with psycopg.connect(ours.config(POOLED), prepare_threshold=None) as database:
        found = database.execute("SELECT FROM orders WHERE id = %s", [number]).rowcount
    came["open transactions that are on the target" if found else "open transactions that are LOST"] += 1


def _hold(ours: Ours, idle: psycopg.Connection, former: int, came: Counter[str]) -> None:
    def look() -> str | None:
        """What the changeover waits for, or that it has ended."""
        newest, *older = ours.asked("changeovers") or [{}]
        if len(older) < former:
            return None
        if newest.get("finished_at"):
            return "not at all"
        return newest.get("waits_because") if "open transaction" in (newest.get("waits_because") or "") else None

    why = wait_until(look, every_s=0.3)
    came["open transactions that were named" if "pid" in why else f"open transactions waited for: {why}"] += 1
    time.sleep(HELD_S)
    try:
        idle.commit()
        came["open transactions that were committed"] += 1
    except psycopg.Error as failure:
        came[f"open transactions that were ended: {failure}"] += 1


@dataclass
class Direct:
    """A client past the pooler, and what it was told."""

    url: str
    acknowledged: list[int] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(-time.time_ns()))

    def write(self) -> None:
        database: psycopg.Connection | None = None
        while not self.over.wait(DIRECT_EVERY_S):
            number = next(self.numbers)
            try:
                if database is None or database.closed:
                    database = psycopg.connect(self.url, autocommit=True, connect_timeout=5)
                database.execute("INSERT INTO orders (id) VALUES (%s)", [number])
                self.acknowledged.append(number)
            except psycopg.Error:
                self.rejected.append(number)
        if database is not None:
            database.close()


@contextmanager
def a_direct_writer(ours: Ours, came: Counter[str]) -> Iterator[str]:
    """Writes past the pooler every 10 ms, and goes on trying at the old address."""
    direct = Direct(ours.config("DATABASE_URL"))
    writing = threading.Thread(target=direct.write)
    writing.start()
    try:
        yield PLAN
    finally:
        direct.over.set()
        writing.join()
    with psycopg.connect(ours.config(POOLED), prepare_threshold=None) as database:
        there = {row[0] for row in database.execute("SELECT id FROM orders WHERE id < 0")}
    came["direct writes acknowledged"] += len(direct.acknowledged)
    came["direct writes acknowledged and not on the target"] += len(set(direct.acknowledged) - there)
    came["direct writes rejected"] += len(direct.rejected)
    came["direct writes rejected and yet on the target"] += len(set(direct.rejected) & there)
