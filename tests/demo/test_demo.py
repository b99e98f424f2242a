"""`changeover demo` as a person meets it: it proves what it claims, notices a loss, and leaves nothing."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO_S = 120


def start(*options: str, folder: Path) -> subprocess.Popen[str]:
    """The demo, with its temporary home below `folder`."""
    return subprocess.Popen(
        [ROOT / "bin/changeover", "demo", *options],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder), "LANG": "C.UTF-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo may leave nothing. Open to all: PostgreSQL runs as another user when we are root."""
    with tempfile.TemporaryDirectory(prefix="demo-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def leftovers(folder: Path) -> list[str]:
    """Files and processes of a demo that had its home below `folder`."""
    processes = [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] and str(folder) in " ".join(process.info["cmdline"])
    ]
    return [*map(str, folder.iterdir()), *processes]


def test_the_demo_loses_nothing_and_leaves_nothing(folder: Path) -> None:
    demo = start("--json", folder=folder)
    verdict = json.loads(demo.communicate(timeout=DEMO_S)[0])

    assert demo.returncode == 0
    assert verdict["acknowledged"] == verdict["found"] > 0
    assert verdict["lost"] == 0
    assert verdict["pause_s"] < 30
    assert leftovers(folder) == []


def test_the_demo_notices_a_single_lost_order(folder: Path) -> None:
    demo = start("--break", "lose-one", folder=folder)
    said = demo.communicate(timeout=DEMO_S)[0]

    assert demo.returncode == 1
    assert "1 acknowledged order is gone" in said
    assert leftovers(folder) == []


@pytest.mark.parametrize("moment", ["ready at", "orders-new is being created", "the orders are held", "orders flow"])
def test_interrupting_the_demo_leaves_nothing(folder: Path, moment: str) -> None:
    demo = start(folder=folder)
    with reading(demo, until=moment):
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=DEMO_S)

    assert demo.returncode == 130
    assert leftovers(folder) == []


def test_a_demo_is_kept_when_asked_and_goes_by_the_commands_that_it_names(folder: Path) -> None:
    kept = start("--keep", folder=folder).communicate(timeout=DEMO_S)[0]
    (home,) = folder.glob("changeover-demo-*")
    stopped = subprocess.run([ROOT / "bin/changeover", "stop", "--data-dir", home], check=False)

    assert f"changeover stop --data-dir {home}" in kept
    assert stopped.returncode == 0
    assert leftovers(folder) == [str(home)]


@contextmanager
def reading(demo: subprocess.Popen[str], *, until: str) -> Iterator[None]:
    """Read what the demo says until it says that."""
    deadline = time.monotonic() + DEMO_S
    assert demo.stdout
    said = ""
    for line in demo.stdout:
        said += line
        if until in line:
            break
        assert time.monotonic() < deadline, said
    else:
        pytest.fail(f"the demo never said {until!r}:\n{said}")
    yield
