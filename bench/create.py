"""How long `addons:create --wait` takes, typed again and again on one control plane (docs/benchmarks.md)."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.measured import CHANGEOVER, control_plane, here, home  # noqa: E402 – after the path is set

PLAN = "heroku-postgresql:standard-0"


def main() -> None:
    given = arguments()
    with home() as data, control_plane(data):
        typed(data, "apps:create", "shop")
        first = timed(data)
        later = []
        for _ in range(given.rounds):
            time.sleep(given.pause_s)
            later.append(timed(data))
        print(f"addons:create --wait, the first of a new home       {first:6.2f} s")
        print(f"… {given.rounds} later ones, {given.pause_s:.0f} s after each other: median {statistics.median(later):6.2f} s "
              f"(fastest {min(later):.2f}, slowest {max(later):.2f})")  # fmt: skip
        print(f"… at once after the last one                        {timed(data):6.2f} s")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--pause-s", type=float, default=10.0, help="Time to prepare the next one.")
    return parser.parse_args()


def timed(data: Path) -> float:
    began = time.monotonic()
    typed(data, "addons:create", PLAN, "--app", "shop", "--wait")
    return time.monotonic() - began


def typed(data: Path, *words: str) -> None:
    subprocess.run([CHANGEOVER, *words], env=here(data), cwd=data, check=True, capture_output=True)


if __name__ == "__main__":
    main()
