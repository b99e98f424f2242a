"""Two servers of different majors, and a copy between new databases in them, with harm done to it where a test wants."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.corpus.moving import by_snapshot, sorted_dumps
from tests.corpus.servers import Server, installation, program, run_sql, running

from changeover.postgres.location import Location
from changeover.postgres.snapshot import starting
from changeover.postgres.snapshot.cleaning import clean
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.starting import Outcome

HERE = Path(__file__).parent
ROLES = ("owner of it", "reader")


@dataclass
class Copy:
    """One copy: where from, where to, and the folder that it works in."""

    source: Location
    target: Location
    work: Path
    job: Job = field(init=False)
    child: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.job = Job(self.source.url, self.target.url, run="7:1", mark="migration 7", patience_s=60)

    def order(self, **changed: Any) -> None:
        self.job = replace(self.job, **changed)

    def harm(self, point: str, how: str = "SIGKILL") -> None:
        """The program sends itself this signal as it gets there."""
        (self.work.parent / "sabotage").write_text(f"{point}\t{how}")

    def start(self) -> None:
        """As starting.start does, with the saboteur in it."""
        self.work.mkdir(exist_ok=True)
        program = [sys.executable, "-P", "-m", "changeover.postgres.snapshot", "--work", str(self.work)]
        harmed = {"SABOTAGE": str(self.work.parent / "sabotage"), "PYTHONPATH": str(HERE / "saboteur")}
        with (self.work / "log").open("ab") as log:
            self.child = subprocess.Popen(
                program, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=self.work, env={"PATH": os.defpath} | harmed
            )
        assert self.child.stdin
        with self.child.stdin as pipe:
            pipe.write(self.job.as_json().encode())

    def run(self) -> Outcome | None:
        """To its end; None when it was killed."""
        self.start()
        return self.end()

    def end(self) -> Outcome | None:
        assert self.child
        self.child.wait(60)
        said = starting.look(self.work)
        return said if isinstance(said, Outcome) else None

    def report(self) -> dict[str, Any]:
        """Run to a good end."""
        outcome = self.run()
        assert outcome is not None, starting.last_said(self.work)
        assert outcome.error is None, outcome.error.message
        assert outcome.report is not None
        return outcome.report

    def until_harmed(self) -> None:
        """Started, and got to where it is harmed."""
        self.start()
        wait_until((self.work.parent / "sabotage.done").exists)

    def go_on(self) -> None:
        """After SIGSTOP."""
        assert self.child
        self.child.send_signal(signal.SIGCONT)

    def clean(self) -> list[str]:
        return asyncio.run(clean(self.job))

    def both_dumps(self) -> tuple[list[bytes], list[bytes]]:
        """Everything in them, sorted: order is not content."""
        return dump(self.source), dump(self.target)

    def has_arrived(self) -> bool:
        """The target holds what the source holds; what differs is printed."""
        here, there = self.both_dumps()
        print(*sorted({*here} ^ {*there})[:20], sep="\n")
        return here == there


def dump(location: Location) -> list[bytes]:
    text = program("pg_dump", "--column-inserts", "--quote-all-identifiers", location=location, major=17)
    return sorted(line for line in text.splitlines() if not line.startswith((b"--", b"\\")) and line)


def sessions(location: Location) -> list[tuple[Any, ...]]:
    """Of the program."""
    return run_sql(
        location, "SELECT pid, state, query FROM pg_stat_activity WHERE application_name LIKE 'changeover:% copy'"
    )


def wait_until(look: Callable[[], object], *, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not look():
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s in vain"
        time.sleep(0.02)


@pytest.fixture(scope="package")
def source_server() -> Iterator[Server]:
    found = installation(15) or installation(17)
    assert found is not None
    with running(found.bin_directory, autovacuum=False) as server:
        run_sql(server.location(), *(f'CREATE ROLE "{role}"' for role in ROLES))
        yield server


@pytest.fixture(scope="package")
def target_server() -> Iterator[Server]:
    found = installation(17)
    assert found is not None
    with running(found.bin_directory) as server:
        yield server


@pytest.fixture(scope="package")
def hard_template(source_server: Server) -> Location:
    """A database with what a copy can get wrong, one of each."""
    made = source_server.database()
    program(
        "psql",
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        f"--file={HERE / 'hard.sql'}",
        location=made,
        major=15,
    )
    run_sql(made, 'ALTER TABLE orders OWNER TO "owner of it"', 'GRANT SELECT (id, name) ON customers TO "reader"',
            'GRANT "reader" TO "owner of it"', "GRANT SELECT ON LARGE OBJECT 424242 TO reader",
            'ALTER LARGE OBJECT 424243 OWNER TO "owner of it"',
            'ALTER DEFAULT PRIVILEGES FOR ROLE "owner of it" GRANT SELECT ON TABLES TO "reader"')  # fmt: skip
    return made


@pytest.fixture
def copy(source_server: Server, target_server: Server, hard_template: Location, tmp_path: Path) -> Iterator[Copy]:
    """Of a database that may be changed, as it is one test's own."""
    source, target = source_server.location(f"s_{tmp_path.name}"[:60]), target_server.database()
    made = f'CREATE DATABASE "{source.database}" TEMPLATE "{hard_template.database}"'
    run_sql(source_server.location(), f'DROP DATABASE IF EXISTS "{source.database}"', made)
    run_sql(source, f'ALTER DATABASE "{source.database}" SET "work_mem" TO \'5MB\'',
            f'ALTER DATABASE "{source.database}" SET search_path TO "$user", public, "Odd ""schema"" name"')  # fmt: skip
    copy = Copy(source, target, tmp_path / "work")
    yield copy
    if copy.child:
        copy.child.kill()
        copy.child.wait()
    source_server.drop(source)
    target_server.drop(target)
    run_sql(target_server.location(), *(f'DROP ROLE IF EXISTS "{role}"' for role in ROLES))


@dataclass
class Pair:
    """A database of a test's own, and an empty one that it is moved to."""

    servers: tuple[Server, Server]
    source: Location
    target: Location
    report: dict[str, Any] = field(default_factory=dict)

    def make(self, script: str) -> None:
        """On the source, all in one go; THIS is the database."""
        run_sql(self.source, script.replace("THIS", self.source.database))

    def move(self, **options: Any) -> None:
        self.report = asyncio.run(by_snapshot(self.source, self.target, **options))

    @property
    def notes(self) -> list[str]:
        return [str(note) for note in self.report["notes"]]

    def on_target(self, script: str) -> None:
        run_sql(self.target, script.replace("THIS", self.target.database))

    def differs(self) -> tuple[list[str], list[str]]:
        """Lines that only one of the dumps has."""
        return sorted_dumps(self.servers, (self.source, self.target))


SAME: tuple[list[str], list[str]] = ([], [])


@pytest.fixture
def pair(source_server: Server, target_server: Server) -> Iterator[Pair]:
    pair = Pair((source_server, target_server), source_server.database(), target_server.database())
    yield pair
    source_server.drop(pair.source)
    target_server.drop(pair.target)
    run_sql(target_server.location(), *(f'DROP ROLE IF EXISTS "{role}"' for role in ROLES))
    for server in (source_server, target_server):
        made = run_sql(server.location(), "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'pair_%'")
        run_sql(server.location(), "SELECT 1", *(f"DROP ROLE {role}" for (role,) in made))
