"""What an idle control plane costs, and how soon it is ready (docs/benchmarks.md)."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.measured import control_plane, home  # noqa: E402 – after the path is set

IDLE_S = 60


def main() -> None:
    with home() as data:
        with control_plane(data) as first:
            print(f"ready, first start    {first.ready_s:6.1f} s")
        with control_plane(data) as second:
            print(f"ready, second start   {second.ready_s:6.1f} s")
            time.sleep(IDLE_S)
            report(memory_of(data))


def memory_of(data: Path) -> list[tuple[str, int]]:
    """Name and PSS in bytes of each process that belongs to `data`: those that name it, and their descendants."""
    named = [p for p in psutil.process_iter(["cmdline"]) if str(data) in " ".join(p.info["cmdline"] or [])]
    family = {p.pid: p for one in named for p in (one, *one.children(recursive=True))}
    return sorted((title(p), pss(p.pid)) for p in family.values())


def title(process: psutil.Process) -> str:
    """`changeover.service worker`, `postgres: checkpointer`, …"""
    words = process.cmdline()
    if "changeover.service" in words:
        return " ".join(words[words.index("changeover.service") :][:2])
    line = " ".join(words)
    return line[:40] if line.startswith("postgres:") else Path(words[0]).name


def pss(pid: int) -> int:
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def report(memory: list[tuple[str, int]]) -> None:
    print(f"PSS after {IDLE_S} s idle")
    for name, size in memory:
        print(f"  {name:<42}{size / 1e6:7.1f} MB")
    print(f"  {'all':<42}{sum(size for _, size in memory) / 1e6:7.1f} MB")


if __name__ == "__main__":
    main()
