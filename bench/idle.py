"""What an idle control plane costs, how soon it is ready, and what its start and stop cost (docs/benchmarks.md)."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.measured import CHANGEOVER, control_plane, here, home  # noqa: E402 – after the path is set

SETTLE_S = 15
PR_SET_CHILD_SUBREAPER = 36
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
PROCFILE = f"web: exec {PYTHON} -P -m http.server --bind 127.0.0.1 $PORT\n"
COMMANDS = (
    "apps:create shop",
    "addons:create heroku-postgresql:standard-0 --app shop --wait",
    "addons:create heroku-postgresql:standard-0 --app shop --as FOLLOWER --wait -- --follow DATABASE_URL",
    "pg:connection-pooling:attach DATABASE_URL --app shop",
)


@dataclass(frozen=True)
class Used:
    """By one process: seconds of processor time so far, and bytes of PSS."""

    name: str
    cpu_s: float
    pss: int


def main() -> None:
    given = arguments()
    become_reaper()
    with home() as data:
        starts = [start_and_stop(data) for _ in range(given.starts + 1)]
        print(f"ready, first start    {starts[0][0]:6.2f} s")
        print(
            f"ready, later starts   {statistics.median(ready for ready, _ in starts[1:]):6.2f} s (median of {given.starts})"
        )
        print(f"processor time of a later start and stop, servers included: "
              f"{statistics.median(cpu for _, cpu in starts[1:]):.2f} s")  # fmt: skip
        with control_plane(data):
            idle("nothing in it", data, given.idle_s)
            for words in COMMANDS:
                say(data, words)
            idle("an app without code, a database, a pooler, a follower", data, given.idle_s)
            if given.with_dyno:
                deploy(data)
                idle("the same, with a web dyno", data, given.idle_s)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--idle-s", type=float, default=60)
    parser.add_argument("--with-dyno", action="store_true")
    return parser.parse_args()


def say(data: Path, words: str) -> None:
    subprocess.run([CHANGEOVER, *words.split()], env=here(data), cwd=data, check=True, capture_output=True)


def deploy(data: Path) -> None:
    folder = data.parent / "code"
    folder.mkdir()
    (folder / "Procfile").write_text(PROCFILE)
    say(data, f"deploy {folder} --app shop")


def become_reaper() -> None:
    """Daemons that our children leave behind are then waited for here, and counted."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start_and_stop(data: Path) -> tuple[float, float]:
    """Seconds until it was ready, and of processor time until everything had ended."""
    before = children_cpu_s()
    with control_plane(data) as running:
        pass
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return running.ready_s, children_cpu_s() - before


def children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def idle(what: str, data: Path, seconds: float) -> None:
    time.sleep(SETTLE_S)
    before = used_by(data)
    began = time.monotonic()
    time.sleep(seconds)
    after, passed = used_by(data), time.monotonic() - began
    report(f"{what}, {seconds:.0f} s idle", before, after, passed)


def used_by(data: Path) -> dict[int, Used]:
    """By each process that belongs to `data`: those that name it, and their descendants.

    Ended children count for their parent.
    """
    named = [p for p in psutil.process_iter(["cmdline"]) if str(data) in " ".join(p.info["cmdline"] or [])]
    family = {p.pid: p for one in named for p in (one, *one.children(recursive=True))}
    found = {}
    for pid, process in family.items():
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            times = process.cpu_times()
            cpu_s = times.user + times.system + times.children_user + times.children_system
            found[pid] = Used(title(process), cpu_s, pss(pid))
    return found


def title(process: psutil.Process) -> str:
    """`changeover.service worker`, `postgres: checkpointer`, …"""
    words = process.cmdline()
    if "changeover.service" in words:
        return " ".join(words[words.index("changeover.service") :][:2])
    line = " ".join(words)
    if line.startswith("changeover "):
        return line.partition(" --")[0]
    if line.startswith("postgres:"):
        return line[:40]
    return " ".join([Path(words[0]).name, *[word for word in words[1:4] if not word.startswith(("-", "/"))]])[:40]


def pss(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def report(heading: str, before: dict[int, Used], after: dict[int, Used], passed: float) -> None:
    print(f"\n{heading}: % of a core, MB of PSS")
    rows = [
        (one.name, 100 * (one.cpu_s - (before[pid].cpu_s if pid in before else 0)) / passed, one.pss / 1e6)
        for pid, one in after.items()
    ]
    for name, percent, megabytes in sorted(rows, key=lambda row: (-row[1], -row[2])):
        print(f"  {name:<42}{percent:7.2f} %{megabytes:8.1f} MB")
    print(f"  {'all':<42}{sum(row[1] for row in rows):7.2f} %{sum(row[2] for row in rows):8.1f} MB", flush=True)


if __name__ == "__main__":
    main()
