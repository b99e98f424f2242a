"""What the measurements share: a control plane over a temporary home, and our command."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[1]
CHANGEOVER = str(ROOT / "bin/changeover")
STOP_S = 60
Found = TypeVar("Found")


@dataclass(frozen=True)
class Running:
    """A control plane, and how long it took until it said that it was ready."""

    home: Path
    process: subprocess.Popen[str]
    ready_s: float


@contextmanager
def home() -> Iterator[Path]:
    """A data directory, removed afterwards; open to all, as PostgreSQL runs as another user when we are root."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "home"


@contextmanager
def control_plane(data: Path) -> Iterator[Running]:
    began = time.monotonic()
    server = [CHANGEOVER, "server", "--data-dir", str(data), "--listen", "127.0.0.1:0"]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            if not any("ready at" in line for line in process.stdout):
                raise SystemExit("the control plane ended before it was ready")
            yield Running(data, process, time.monotonic() - began)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(STOP_S)


def here(data: Path) -> dict[str, str]:
    """This environment, with our commands pointed to `data`."""
    return {
        **os.environ,
        "CHANGEOVER_HOME": str(data),
        "CHANGEOVER_URL": "",
        "CHANGEOVER_API_KEY": "",
        "HEROKU_APP": "",
    }


def wait_until(look: Callable[[], Found | None], *, timeout_s: float = 60, every_s: float = 0.02) -> Found:
    """What `look` returned once it was something."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {timeout_s:.0f} s in vain")
        time.sleep(every_s)
    return found
