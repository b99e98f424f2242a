"""`changeover demo` as a person meets it: it proves what it claims, notices a loss, and leaves nothing."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
DEMO_S = 120


def start(*options: str, folder: Path) -> subprocess.Popen[str]:
    """The demo, with its temporary home below `folder`."""
    return subprocess.Popen(
        [ROOT / "bin/changeover", "demo", *options],
        env=surroundings(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def surroundings(folder: Path) -> dict[str, str]:
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "TERM": "xterm",
    }


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


LONG = pytest.mark.long
"""As a whole a minute and more: the demo is run six times besides, and by CI itself."""
FORMS = pytest.mark.parametrize("form", [[], ["--database-only"]], ids=["app", "database-only"])


@FORMS
def test_the_demo_loses_nothing_and_leaves_nothing(folder: Path, form: list[str]) -> None:
    demo = start("--json", *form, folder=folder)
    verdict = json.loads(demo.communicate(timeout=DEMO_S)[0])

    assert demo.returncode == 0, verdict
    assert verdict["acknowledged"] == verdict["found"] > 0
    assert verdict["lost"] == 0
    assert verdict["pause_s"] < 30
    if not form:
        assert (verdict["failed_requests"], verdict["first_failure"]) == (0, "")
        assert verdict["requests"] > 100
        assert 0 < verdict["unavailable_s"] < 30
    assert leftovers(folder) == []


def test_requests_that_fail_otherwise_fail_the_demo(folder: Path) -> None:
    demo = start("--break", "fail-requests", folder=folder)
    said = demo.communicate(timeout=DEMO_S)[0]

    assert demo.returncode == 1, said
    assert "requests failed outside maintenance mode. The first failure: 503 Service Unavailable" in said
    assert figure(said, "lost") == "0"
    assert re.search(r"meanwhile \d+ requests/s · \d+ commits/s", said)
    assert leftovers(folder) == []


def test_requests_can_fail_only_where_there_is_an_app(folder: Path) -> None:
    demo = start("--break", "fail-requests", "--database-only", folder=folder)

    assert "needs an app" in demo.communicate(timeout=DEMO_S)[0]
    assert demo.returncode == 2


def figure(said: str, name: str) -> str:
    """A figure of the report, without its unit."""
    found = re.search(rf"^   {name} +([\d.,]+)", said, re.MULTILINE)
    assert found, said
    return found[1]


@pytest.mark.parametrize(
    "form", [pytest.param([], id="app"), pytest.param(["--database-only"], id="database-only", marks=LONG)]
)
def test_the_demo_notices_a_single_lost_order(folder: Path, form: list[str]) -> None:
    demo = start("--break", "lose-one", *form, folder=folder)
    said = demo.communicate(timeout=DEMO_S)[0]

    assert demo.returncode == 1, said
    assert "1 acknowledged order is gone" in said
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    ("form", "moment"),
    [
        pytest.param([], "Deploying", marks=LONG),
        ([], "orders are on hold"),
        pytest.param([], "orders go", marks=LONG),
        pytest.param(["--database-only"], "ready at", marks=LONG),
        (["--database-only"], "orders-new is being created"),
        pytest.param(["--database-only"], "orders are on hold", marks=LONG),
    ],
)
def test_interrupting_the_demo_leaves_nothing(folder: Path, form: list[str], moment: str) -> None:
    demo = start(*form, folder=folder)
    with reading(demo, until=moment):
        demo.send_signal(signal.SIGINT)
        demo.communicate(timeout=DEMO_S)

    assert demo.returncode == 130
    assert leftovers(folder) == []


def test_a_demo_is_kept_when_asked_and_goes_by_the_commands_that_it_names(folder: Path) -> None:
    kept = start("--keep", "--database-only", folder=folder).communicate(timeout=DEMO_S)[0]
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


@LONG
def test_a_terminal_shows_how_busy_the_shop_is(folder: Path) -> None:
    demo = pexpect.spawn(
        str(ROOT / "bin/changeover"), ["demo"], encoding="utf-8", timeout=DEMO_S, env=surroundings(folder)
    )

    demo.expect(r"\d+ requests/s · \d+ commits/s")  # and how far behind, where it is asked while it is
    demo.expect("Nothing was lost")
    demo.expect(pexpect.EOF)
    demo.close()
    assert demo.exitstatus == 0
    assert leftovers(folder) == []
