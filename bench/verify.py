"""How fast two equal databases are compared, by content and by counts; beside pgcopydb where it is installed.

Its statement is run by us as well, both sides at once: what its `compare data` would do at best (docs/benchmarks.md).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.copy import GB, Ground, fill, ground, location, run, run_sql  # noqa: E402 – after the path is set

from changeover.postgres.comparing import compare  # noqa: E402
from changeover.postgres.location import Location  # noqa: E402

JOBS = 2
RATES: dict[str, list[float]] = {}
"""GB/s of the rows alone, by way: what a larger database comes near to, as all the rest stays the same."""


@dataclass(frozen=True)
class Sides:
    """Two databases that hold the same."""

    source: Location
    target: Location


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=0.1, help="1: 2.5 GB")
    parser.add_argument("--target-major", type=int, help="default: the source's")
    chosen = parser.parse_args()
    with ground(chosen.target_major) as there:
        size = fill(there, chosen.scale)
        sides = move(there)
        print(f"{size / GB:.2f} GB on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        ways: dict[str, Callable[[Sides], Awaitable[None]]] = {
            "changeover verify": by_content,
            "changeover verify --counts": by_counts,
            "the statement of pgcopydb": by_its_statement,
        }
        if shutil.which("pgcopydb"):
            ways["pgcopydb compare data"] = pgcopydb
        else:
            print("pgcopydb is not installed: only its statement is run")
        report(take_turns(ways, sides, chosen.rounds), size)


def move(there: Ground) -> Sides:
    """Plainly: what is measured is what comes after."""
    run_sql(location(there.target, "postgres"), "CREATE DATABASE shop")
    sides = Sides(location(there.source, "shop"), location(there.target, "shop"))
    programs, archive = there.installation.bin_directory, there.scratch.with_suffix(".dump")
    run([programs / "pg_dump", "-Fc", "-Z0", f"--file={archive}"], sides.source)
    run([programs / "pg_restore", f"-j{JOBS}", f"--dbname={sides.target.database}", archive], sides.target)
    archive.unlink()
    run_sql(sides.target, "VACUUM (FREEZE, ANALYZE)")
    for one in (there.source, there.target):
        run_sql(location(one, "postgres"), "CHECKPOINT")
    return sides


def take_turns(
    ways: dict[str, Callable[[Sides], Awaitable[None]]], sides: Sides, rounds: int
) -> dict[str, list[float]]:
    """Seconds by way; the first round warms the caches and doesn't count."""
    results: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            began = time.monotonic()
            asyncio.run(way(sides))  # type: ignore[arg-type]  # each is a coroutine function
            if turn:
                results[name].append(time.monotonic() - began)
    return results


async def by_content(sides: Sides) -> None:
    found = await compare(sides.source, sides.target, connections=JOBS)
    assert found.is_equal, found.as_dict()
    RATES.setdefault("changeover verify", []).append(found.gb_per_s)


async def by_counts(sides: Sides) -> None:
    found = await compare(sides.source, sides.target, is_quick=True, connections=JOBS)
    assert found.is_equal, found.as_dict()
    RATES.setdefault("changeover verify --counts", []).append(found.gb_per_s)


async def by_its_statement(sides: Sides) -> None:
    """One connection to each side, so that both cores work as in ours."""
    one, other = await asyncio.gather(*(_sums(location) for location in (sides.source, sides.target)))
    assert one == other


async def _sums(location: Location) -> list[tuple[object, ...]]:
    tables = "SELECT relname FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY relname"
    async with await psycopg.AsyncConnection.connect(location.url, autocommit=True) as session:
        await session.execute("SET max_parallel_workers_per_gather = 0")
        names = await (await session.execute(tables)).fetchall()
        sums = []
        for (name,) in names:
            asked = sql.SQL("SELECT count(1), sum(hashtext((t.*)::text)::bigint) FROM ONLY {} AS t")
            sums += await (await session.execute(asked.format(sql.Identifier(name)))).fetchall()
        return sums


async def pgcopydb(sides: Sides) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        where = ["--dir", work, "--source", sides.source.url, "--target", sides.target.url]
        await asyncio.to_thread(run, ["pgcopydb", "compare", "data", f"--jobs={JOBS}", *where])


def report(results: dict[str, list[float]], size: int) -> None:
    ours = statistics.median(results["changeover verify"])
    for name, seconds in results.items():
        middle = statistics.median(seconds)
        line = (
            f"{name}: {size / GB / middle:.2f} GB/s, median {middle:.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
        )
        if name in RATES:
            line += f"; rows alone {statistics.median(RATES[name][1:]):.2f} GB/s"
        elif "pgcopydb" in name:
            line += f"; changeover verify is {middle / ours:.2f} × as fast"
        print(line)
    print(f"our own process: at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
