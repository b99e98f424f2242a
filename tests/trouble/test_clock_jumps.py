"""The clock of the host is set, forward and back, while an installation works: its processes live by another clock.

A small library that is preloaded (clock.c) tells every process of an installation another time; the monotonic clock stays
true, as it does when a clock is set. (With libfaketime `time.sleep` fails.) The tests themselves see the true time.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.changeovers.fix_orders import new_shop
from tests.changeovers.fix_orders import ordering as orders_through
from tests.fix_control_plane import connect, running_plane, url_of, wait_until
from tests.fix_provider import Provider
from tests.trouble.scene import PHASES, Scene, begin, ordering, prove_nothing_lost, working_on

from changeover.postgres.installations import newest_with_tls

COMPILER = shutil.which("tcc") or shutil.which("cc")
AHEAD, BACK = 40, -2
"""Days."""

pytestmark = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler: install the package tcc")


@dataclass(frozen=True)
class Clock:
    """What all processes of an installation take for the time: as many days from the true one as `set`."""

    folder: Path

    def surroundings(self) -> dict[str, str]:
        return {**self._preloading(), "CHANGEOVER_POSTGRES": str(self.folder)}

    def _preloading(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.folder / "clock.so"), "CLOCK_AHEAD": str(self.folder / "ahead")}

    def lay(self) -> None:
        """The library, and a PostgreSQL whose servers preload it: they get none of the control plane's own surroundings."""
        (self.folder / "ahead").write_bytes(bytes(8))
        source = Path(__file__).with_name("clock.c")
        made = [str(COMPILER), "-shared", "-nostdlib", "-fPIC", "-o", str(self.folder / "clock.so"), str(source)]
        subprocess.run(made, check=True)
        programs, wrapped = newest_with_tls().bin_directory, self.folder / "bin"
        shutil.copytree(programs, wrapped)  # copied: what is only linked looks for `postgres` beside its own file
        assignments = " ".join(f"{name}={value}" for name, value in self._preloading().items())
        for program in ("postgres", "pg_ctl"):  # they compare times
            kept = (wrapped / program).rename(wrapped / f"{program}.itself")
            itself = programs / program if program == "postgres" else kept
            (wrapped / program).write_text(f'#!/bin/sh\n{assignments} exec {itself} "$@"\n')
            (wrapped / program).chmod(0o755)

    @contextmanager
    def set(self, days: int) -> Iterator[None]:
        """For a while."""
        self._write(days)
        try:
            yield
        finally:
            self._write(0)

    def _write(self, days: int) -> None:
        with (self.folder / "ahead").open("r+b", buffering=0) as file:  # in place: it is mapped
            file.write((days * 86400).to_bytes(8, sys.byteorder, signed=True))


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    with tempfile.TemporaryDirectory(prefix="clock-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # servers and dynos are other users, when we are root
        clock = Clock(folder)
        clock.lay()
        yield clock


@pytest.fixture(scope="module")
def scene(clock: Clock) -> Iterator[Scene]:
    for plane in running_plane(**clock.surroundings()):
        yield from working_on(plane)


@pytest.mark.parametrize("days", [AHEAD, BACK])
def test_the_whole_installation_sees_another_time(scene: Scene, clock: Clock, days: int) -> None:
    """Else what follows would show nothing."""
    with clock.set(days):
        query = "SELECT round(extract(epoch FROM clock_timestamp() - %s) / 86400)"
        with connect(url_of(scene.plane, scene.app)) as database, scene.plane.state() as state:
            assert [one.execute(query, [now()]).fetchall() for one in (database, state)] == [[(days,)]] * 2
        name = scene.things.app()
        created = datetime.fromisoformat(scene.things.api.get(f"/apps/{name}").json()["created_at"])
        assert round((created - now()).total_seconds() / 86400) == days


@pytest.mark.parametrize("days", [AHEAD, BACK])
@pytest.mark.parametrize(
    "phase", [pytest.param(one, marks=[pytest.mark.long] if one == "base backup" else []) for one in PHASES]
)
def test_a_clock_that_is_set_loses_nothing_and_leaves_nothing(
    scene: Scene, clock: Clock, provider: Provider, phase: str, days: int
) -> None:
    with ordering(scene) as witness:
        wait_until(lambda: witness.accepted, what="the first order")
        finish = begin(phase, scene, provider)
        with clock.set(days):
            finish()
            scene.recover()
            seen = len(witness.accepted)
            wait_until(lambda: len(witness.accepted) > seen, what="an order afterwards")
        scene.recover()
    prove_nothing_lost(scene, witness)


@pytest.mark.parametrize("days", [pytest.param(AHEAD, marks=pytest.mark.long), BACK])
@pytest.mark.parametrize("hold", ["maintenance", pytest.param("pooled", marks=pytest.mark.long)])
def test_a_clock_that_is_set_during_a_changeover_loses_nothing(
    scene: Scene, clock: Clock, hold: str, days: int
) -> None:
    shop = new_shop(scene.things)
    if hold == "pooled":
        scene.plane.must("pg:connection-pooling:attach", "DATABASE_URL", "-a", shop.app)
    through = "DATABASE_CONNECTION_POOL_URL" if hold == "pooled" else "DATABASE_URL"
    with orders_through(shop, name=through) as orders:
        number = shop.begin(hold=hold)
        shop.until(number, "its first step", lambda seen: seen["status"] != "queued")
        with clock.set(days):
            shop.until_done(number)

    assert orders.acknowledged.keys() <= shop.orders()
