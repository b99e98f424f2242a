"""How long it takes to bring a database over: ours, and beside it pg_dump and pg_restore; pgcopydb too where it is installed.

Runs take turns, each into a new database of the same server, after a checkpoint (docs/benchmarks.md).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg

from changeover.hosts.users import ensure_system_users, run_as_for_servers
from changeover.postgres.cluster import Cluster
from changeover.postgres.configuration import SUPERUSER
from changeover.postgres.installations import Installation, find_installations, newest_with_tls
from changeover.postgres.libpq import told
from changeover.postgres.location import Location, SocketLocation
from changeover.postgres.snapshot.job import Job

HERE = Path(__file__).resolve().parent
JOBS = 2
GB = 1e9


@dataclass(frozen=True)
class Took:
    """One run of one way."""

    seconds: float
    own_cpu_s: float
    """Of the programs that moved it, without the servers."""
    peak_mb: float
    """The largest process of theirs."""
    servers_cpu_s: float = 0.0
    """Of both servers meanwhile, for what ended meanwhile."""


@dataclass(frozen=True)
class Ground:
    """Two servers and a folder for dumps."""

    installation: Installation
    source: Cluster
    target: Cluster
    scratch: Path


def main() -> None:
    chosen = arguments()
    with ground(chosen.target_major) as there:
        size = fill(there, chosen.scale)
        print(f"{size / GB:.2f} GB on {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        ways: dict[str, Callable[[Ground, Location], Took]] = {
            "changeover": ours,
            "pg_dump | pg_restore": dump_and_restore,
        }
        if shutil.which("pgcopydb"):
            ways["pgcopydb"] = pgcopydb
        else:
            print("pgcopydb is not installed: skipped")
        results = take_turns(there, ways, chosen.pairs)
    for name, runs in results.items():
        report(name, runs, size)
    for name in list(ways)[1:]:
        pairs = zip(results["changeover"], results[name], strict=True)
        ratio = statistics.median(mine.seconds / theirs.seconds for mine, theirs in pairs)
        print(f"changeover takes {ratio:.2f} × the time of {name} (median of the pairs)")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1: 2.5 GB")
    parser.add_argument("--target-major", type=int, help="default: the source's")
    return parser.parse_args()


@contextmanager
def ground(target_major: int | None) -> Iterator[Ground]:
    """Servers with their defaults but for memory; gone afterwards."""
    asyncio.run(ensure_system_users())
    installation = newest_with_tls()
    target = next((one for one in find_installations() if one.version[0] == target_major), installation)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        there = Ground(installation, cluster(installation, home / "a"), cluster(target, home / "b"), home / "dump")
        try:
            for one in (there.source, there.target):
                asyncio.run(begin(one))
            yield there
        finally:
            for one in (there.source, there.target):
                asyncio.run(one.kill())


def cluster(installation: Installation, home: Path) -> Cluster:
    home.mkdir()
    home.chmod(0o755)
    return Cluster(installation.bin_directory, home / "data", home / "socket", home / "log", 5432, run_as_for_servers())


async def begin(one: Cluster) -> None:
    await one.initialise({"listen_addresses": "", "shared_buffers": "512MB", "max_wal_size": "4GB"}, listens=False)
    await one.start()


def location(one: Cluster, database: str) -> Location:
    host, port = str(one.address.socket_directory), str(one.address.port)
    return SocketLocation({"host": host, "port": port, "user": SUPERUSER, "dbname": database})


def run_sql(where: Location, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(where.url, autocommit=True) as session:
        cursor = session.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def fill(there: Ground, scale: float) -> int:
    """How many bytes the database then has, indexes included."""
    run_sql(location(there.source, "postgres"), "CREATE DATABASE shop")
    shop = location(there.source, "shop")
    arguments = [
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        f"--set=scale={scale}",
        f"--file={HERE / 'copy_data.sql'}",
    ]
    run([there.installation.bin_directory / "psql", *arguments], shop)
    (row,) = run_sql(shop, "SELECT sum(pg_table_size(oid))::bigint FROM pg_class WHERE relkind = 'r' AND oid >= 16384")
    return int(str(row[0]))


def take_turns(there: Ground, ways: dict[str, Callable[[Ground, Location], Took]], pairs: int) -> dict[str, list[Took]]:
    results: dict[str, list[Took]] = {name: [] for name in ways}
    for turn in range(pairs):
        for name, way in ways.items() if turn % 2 == 0 else reversed(ways.items()):
            run_sql(location(there.target, "postgres"), "CREATE DATABASE moved")
            run_sql(location(there.source, "postgres"), "CHECKPOINT")
            run_sql(location(there.target, "postgres"), "CHECKPOINT")
            before = servers_cpu_s(there)
            took = way(there, location(there.target, "moved"))
            took = replace(took, servers_cpu_s=servers_cpu_s(there) - before)
            results[name].append(took)
            print(f"  {name}: {took.seconds:.1f} s, own CPU {took.own_cpu_s:.2f} s, {took.peak_mb:.0f} MB, "
                  f"servers {took.servers_cpu_s:.1f} s, "
                  f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
            run_sql(location(there.target, "postgres"), "DROP DATABASE moved WITH (FORCE)")
    return results


def servers_cpu_s(there: Ground) -> float:
    """Of their backends that have ended."""
    used = 0
    for one in (there.source, there.target):
        postmaster = one.postmaster()
        assert postmaster
        fields = (Path("/proc") / str(postmaster.pid) / "stat").read_text().rpartition(")")[2].split()
        used += int(fields[13]) + int(fields[14])
    return used / os.sysconf("SC_CLK_TCK")


def ours(there: Ground, target: Location) -> Took:
    job = Job(location(there.source, "shop").url, target.url, run="bench:1", mark="bench", connections=JOBS)
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        return run([sys.executable, "-P", "-m", "changeover.postgres.snapshot", "--work", work], stdin=job.as_json())


def dump_and_restore(there: Ground, target: Location) -> Took:
    programs = there.installation.bin_directory
    try:
        dumped = run(
            [programs / "pg_dump", "-Fd", "-Z0", f"-j{JOBS}", f"--file={there.scratch}"], location(there.source, "shop")
        )
        restored = run([programs / "pg_restore", f"-j{JOBS}", f"--dbname={target.database}", there.scratch], target)
    finally:
        shutil.rmtree(there.scratch, ignore_errors=True)
    cpu, peak = dumped.own_cpu_s + restored.own_cpu_s, max(dumped.peak_mb, restored.peak_mb)
    return Took(dumped.seconds + restored.seconds, cpu, peak)


def pgcopydb(there: Ground, target: Location) -> Took:
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        source = location(there.source, "shop")
        jobs = [f"--table-jobs={JOBS}", f"--index-jobs={JOBS}"]
        return run(["pgcopydb", "clone", "--dir", work, "--source", source.url, "--target", target.url, *jobs])


def run(arguments: list[str | Path], where: Location | None = None, *, stdin: str = "") -> Took:
    """To its end, with what it and its children used."""
    began = time.monotonic()
    environment = dict(os.environ)
    if where:
        with told(where, ()) as wanted:
            environment |= wanted.environment()
    with tempfile.TemporaryFile() as said, subprocess.Popen(
        [str(word) for word in arguments], stdin=subprocess.PIPE, stdout=said, stderr=said, env=environment
    ) as child:  # fmt: skip
        assert child.stdin
        child.stdin.write(stdin.encode())
        child.stdin.close()
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        took = Took(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
        if child.returncode != 0:
            said.seek(0)
            raise SystemExit(f"{arguments[0]} failed: {said.read().decode(errors='replace')[-2000:]}")
    return took


def report(name: str, runs: list[Took], size: int) -> None:
    seconds = sorted(one.seconds for one in runs)
    middle = statistics.median(seconds)
    cpu = statistics.median(one.own_cpu_s for one in runs) / (size / GB)
    peak = max(one.peak_mb for one in runs)
    servers = statistics.median(one.servers_cpu_s for one in runs)
    print(f"{name}: median {middle:.1f} s ({seconds[0]:.1f} to {seconds[-1]:.1f}), {size / GB / middle * 1000:.0f} MB/s; "
          f"its own processes {cpu:.2f} CPU s per GB, at most {peak:.0f} MB; the servers' {servers:.1f} CPU s")  # fmt: skip


if __name__ == "__main__":
    main()
