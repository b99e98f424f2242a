"""How long `pg:info` takes with our CLI and with the official one, taking turns (docs/benchmarks.md)."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.measured import CHANGEOVER, control_plane, here, home  # noqa: E402 – after the path is set

HEROKU = ROOT / ".cache/heroku-cli/node_modules/.bin/heroku"
ROUNDS = 15


def main() -> None:
    if not HEROKU.exists():
        raise SystemExit("The official CLI is not installed: bin/test does it where Node.js is.")
    with home() as data, control_plane(data):
        make_database(data)
        ours, official = measure(data)
    print(f"pg:info, medians of {ROUNDS} runs in turns")
    for name, times in (("changeover", ours), ("heroku", official)):
        middle = statistics.median(times)
        print(
            f"  {name:<12}{middle * 1000:7.0f} ms   (fastest {min(times) * 1000:.0f}, slowest {max(times) * 1000:.0f})"
        )
    print(f"  {statistics.median(official) / statistics.median(ours):.1f} times as fast")


def make_database(data: Path) -> None:
    for words in ("apps:create shop", "addons:create heroku-postgresql:standard-0 --app shop --wait"):
        subprocess.run([CHANGEOVER, *words.split()], env=here(data), cwd=data, check=True, capture_output=True)


def measure(data: Path) -> tuple[list[float], list[float]]:
    """Seconds of each run; a first round of both, which fills caches, does not count."""
    exported = subprocess.run([CHANGEOVER, "env", "--json"], env=here(data), check=True, capture_output=True)
    pointed = {**here(data), **json.loads(exported.stdout), "HOME": str(data)}
    ours: list[float] = []
    official: list[float] = []
    for _ in range(ROUNDS + 1):
        ours.append(seconds([CHANGEOVER, "pg:info", "--app", "shop"], here(data)))
        official.append(seconds([str(HEROKU), "pg:info", "--app", "shop"], pointed))
    return ours[1:], official[1:]


def seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
