"""How long a worker can't write while its database is changed over to a follower by the runbook (docs/benchmarks.md).

One app, one worker dyno with 8 direct connections that commit 1,000 orders a second. The runbook is typed by a script, with
our CLI and maintenance mode. Every order that was acknowledged is looked up on the new leader afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.measured import CHANGEOVER, control_plane, here, home, wait_until  # noqa: E402 – after the path is set

APP_USER = "changeover-app"
PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"
"""On the dynos' PATH, and of our own version, as the driver is compiled for it."""
PROCFILE = f"""\
web: sleep $LOADING_S && exec {PYTHON} -P -m http.server --bind 127.0.0.1 $PORT
worker: exec {PYTHON} -P worker.py
"""
DYNO_PATH = "/usr/local/bin:/usr/bin:/bin"
VENDORED = ("psycopg", "psycopg_binary", "psycopg_binary.libs", "typing_extensions.py")
BOOTS, STEADY_S, AFTER_S, AIM_S = 7, 5.0, 2.0, 1.0
SECOND = 10**9


@dataclass(frozen=True)
class Typed:
    """A command of the runbook, and when it began and ended (monotonic nanoseconds)."""

    words: str
    began: int
    ended: int
    said: str


@dataclass(frozen=True)
class Gap:
    """The longest time without an acknowledged commit."""

    began: int
    ended: int

    @property
    def seconds(self) -> float:
        return (self.ended - self.began) / SECOND


@dataclass(frozen=True)
class Round:
    """One changeover. `parts` are the seconds of the gap by what happened in them; `rate` is the one before it."""

    gap: Gap
    parts: dict[str, float]
    boot_s: float
    rate: float
    acknowledged: int
    lost: int


@dataclass
class Shop:
    """The app as its user sees it, by our CLI."""

    data: Path
    notes: Path
    typed: list[Typed] = field(default_factory=list)

    def type(self, words: str) -> str:
        began = time.monotonic_ns()
        done = subprocess.run(
            [CHANGEOVER, *words.split()], env=here(self.data), cwd=self.data, check=False, capture_output=True
        )
        if done.returncode:
            raise SystemExit(f"changeover {words}: {done.stdout.decode()}{done.stderr.decode()}")
        self.typed.append(Typed(words, began, time.monotonic_ns(), done.stdout.decode()))
        return self.typed[-1].said

    def url(self) -> str:
        return self.type("config:get DATABASE_URL --app shop").strip()

    def acknowledged(self) -> dict[int, int]:
        """Every order and when it was acknowledged; a line that is being written is left for later."""
        lines = [
            line.split() for file in self.notes.glob("*/connection-*") for line in file.read_text().split("\n")[:-1]
        ]
        return {int(order): int(at) for order, at in lines}

    def newest_start(self) -> int:
        """When the worker's newest process began."""
        return max(int(file.read_text()) for file in self.notes.glob("*/started"))


def main() -> None:
    given = arguments()
    with home() as data, control_plane(data), shop(data, given.loading_s) as (app, folder):
        boots = [boot_s(app, folder) for _ in range(BOOTS)]
        app.type(f"deploy {folder} --app shop")
        app.type("ps:scale worker=1 --app shop")
        report(boots, [change_over(app, number) for number in range(1, given.rounds + 1)])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--loading-s", type=float, default=0, help="How long dynos load before they do anything.")
    return parser.parse_args()


@contextmanager
def shop(data: Path, loading_s: float) -> Iterator[tuple[Shop, Path]]:
    """An app with a database, and the folder of its code; nothing is deployed yet."""
    notes, folder = data / "notes", data.parent / "code"  # dynos see nothing else of /tmp
    notes.mkdir(parents=True)
    notes.chmod(0o1777)
    write_code(folder)
    app = Shop(data, notes)
    app.type("apps:create shop")
    app.type("addons:create heroku-postgresql:standard-0 --name orders-0 --app shop --wait")
    app.type(f"config:set NOTES={notes} LOADING_S={loading_s} --app shop")
    with psycopg.connect(app.url(), autocommit=True) as database:
        database.execute("CREATE TABLE orders (id bigint PRIMARY KEY, note text NOT NULL)")
    yield app, folder
    app.type("ps:scale worker=0 --app shop")


def write_code(folder: Path) -> None:
    """The worker and its driver: dynos run as a user who may not be able to read this environment."""
    folder.mkdir()
    shutil.copy2(ROOT / "bench/worker_dyno.py", folder / "worker.py")
    packages = Path(psycopg.__file__).parents[1]
    for name in VENDORED:
        source, target = packages / name, folder / "vendor" / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
    (folder / "Procfile").write_text(PROCFILE)


def boot_s(app: Shop, folder: Path) -> float:
    """From the start of the worker's process, by us and with nothing else going on, to its first commit."""
    config = json.loads(app.type("config --json --app shop"))
    surroundings = {**config, "PATH": DYNO_PATH}
    who: dict[str, Any] = {"user": APP_USER, "group": APP_USER, "extra_groups": []} if os.geteuid() == 0 else {}
    began = time.monotonic_ns()
    program = shutil.which(PYTHON, path=DYNO_PATH) or PYTHON
    with subprocess.Popen([program, "-P", "worker.py"], cwd=folder, env=surroundings, **who) as worker:
        first = wait_until(lambda: min((at for at in app.acknowledged().values() if at > began), default=None))
        worker.send_signal(signal.SIGTERM)
    return (first - began) / SECOND


def change_over(app: Shop, number: int) -> Round:
    """From `orders-N-1` to a fresh follower of it; the former leader is destroyed."""
    old, new = f"orders-{number - 1}", f"orders-{number}"
    app.type(f"addons:create heroku-postgresql:standard-0 --name {new} --app shop -- --follow DATABASE_URL")
    app.type(f"pg:wait {new} --app shop")
    app.type("ps:wait --app shop")
    began = time.monotonic_ns()
    time.sleep(STEADY_S)
    steady_until = time.monotonic_ns()
    runbook(app, new)
    wait_until(lambda: max(app.acknowledged().values()) > app.typed[-1].ended + AFTER_S * SECOND)
    typed = [one for one in app.typed if one.began > steady_until]
    acknowledged = app.acknowledged()
    times = sorted(at for at in acknowledged.values() if at > began)
    gap = max((Gap(*pair) for pair in pairwise(times)), key=lambda one: one.seconds)
    started = app.newest_start()
    result = Round(
        gap, parts_of(gap, typed, started, new), (gap.ended - started) / SECOND,
        sum(at < steady_until for at in times) / STEADY_S, len(acknowledged), len(acknowledged.keys() - found(app)),
    )  # fmt: skip
    app.type(f"addons:destroy {old} --app shop --confirm shop --wait")
    return result


def runbook(app: Shop, new: str) -> None:
    """As the articles have it. Nothing is waited for but what a command waits for by itself."""
    app.type("maintenance:on --app shop")
    app.type("ps:scale worker=0 --app shop")
    while "Behind By: 0 commits" not in " ".join(app.type(f"pg:info {new} --app shop").split()):
        pass
    app.type(f"pg:unfollow {new} --app shop --confirm shop")
    app.type(f"pg:promote {new} --app shop")
    app.type("ps:scale worker=1 --app shop")
    app.type("maintenance:off --app shop")


def parts_of(gap: Gap, typed: list[Typed], started: int, new: str) -> dict[str, float]:
    """What the gap was spent on: its commands up to the worker's start, the worker's boot, and what lay between."""
    parts: dict[str, float] = {}
    for one in typed:
        took = (min(one.ended, started) - max(one.began, gap.began)) / SECOND
        if took > 0:
            name = one.words.split(" --")[0].replace(new, "NEW")
            parts[name] = parts.get(name, 0.0) + took
    parts["the worker boots"] = (gap.ended - started) / SECOND
    parts["between the commands"] = gap.seconds - sum(parts.values())
    return parts


def found(app: Shop) -> set[int]:
    """Every order on the database that the app uses now."""
    with psycopg.connect(app.url()) as database:
        return {row[0] for row in database.execute("SELECT id FROM orders")}


def report(boots: list[float], rounds: list[Round]) -> None:
    aim = statistics.median(boots) + AIM_S
    gaps = [one.gap.seconds for one in rounds]
    print(f"{len(rounds)} changeovers of a worker with 8 connections, medians (fastest, slowest), in seconds")
    print(f"  {'its boot, measured alone':<34}{spread(boots)}")
    print(f"  {'longest gap between two commits':<34}{spread(gaps)}   aim {aim:.2f}")
    for name in rounds[0].parts:
        print(f"    {name:<32}{spread([one.parts.get(name, 0.0) for one in rounds])}")
    print(f"  {'commits a second before it':<34}{spread([one.rate for one in rounds], digits=0)}")
    print(f"  lost {sum(one.lost for one in rounds)} of {rounds[-1].acknowledged} acknowledged")


def spread(values: list[float], *, digits: int = 2) -> str:
    return f"{statistics.median(values):7.{digits}f}  ({min(values):.{digits}f}, {max(values):.{digits}f})"


if __name__ == "__main__":
    main()
