"""A real control plane in a temporary home, with its processes, and clients for it: the ground of most tests."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import psutil
import psycopg
import pytest

READY_S = 120
LONGEST_PAUSE_S = 0.1
CLI = [sys.executable, "-P", "-m", "changeover.cli"]
PROXY = "127.0.0.2"
"""A client of the shared control plane that connects from here counts as a trusted proxy."""
KEPT = ("CHANGEOVER_PGBOUNCER",)
"""Programs that whoever runs the tests may choose."""


def is_dead(process: psutil.Process) -> bool:
    """Gone, or only waiting to be reaped."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # it went between the two questions
        return True


def wait_until(condition: Callable[[], Any], *, timeout_s: float = 60, what: str = "the condition") -> Any:
    """What `condition` returned once it was true; fails the test when that takes too long.

    A look may cost more than the work that it waits for, so that the pauses between two grow.
    """
    deadline, pause_s = time.monotonic() + timeout_s, 0.02
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"waited {timeout_s} s in vain for {what}")
        select.select([], [], [], pause_s)
        pause_s = min(1.2 * pause_s, LONGEST_PAUSE_S)


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    """Alive, and does nothing."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


@dataclass
class Typed:
    """How a command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def everything(self) -> str:
        return f"{self.stdout}\n{self.stderr}"


@dataclass
class ControlPlane:
    """One installation below `home`. Start and stop it as a user would; look at it as an operator would."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[str] | None = None
    url: str = ""

    def start(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [*CLI, "server", "--data-dir", str(self.home), "--listen", "127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.surroundings(),
        )  # fmt: skip
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], READY_S)
        line = self.process.stdout.readline() if ready else ""
        if "changeover is ready at " not in line:
            self.process.kill()
            said = self.process.communicate()
            pytest.fail(f"the control plane did not get ready: {line} {said}\n{self.logs()}")
        self.url = line.rpartition(" ")[2].strip()

    def stop(self) -> int:
        """SIGTERM to the parent; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.wait()

    def kill(self) -> None:
        """SIGKILL to the parent."""
        assert self.process is not None
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Until the parent has ended; its exit code."""
        assert self.process is not None
        code = self.process.wait(60)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        return code

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def surroundings(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in KEPT or (not name.startswith(("CHANGEOVER_", "HEROKU_", "PG")) and name != "NO_COLOR")
        }
        costly = {"CHANGEOVER_SPARE_SERVERS": "0"}  # most tests create fewer servers than that would take time
        return {**kept, **costly, "CHANGEOVER_HOME": str(self.home), **self.environment}

    @property
    def token(self) -> str:
        return (self.home / "operator-token").read_text().strip()

    def client(self, token: str | None = None) -> httpx2.Client:
        """Speaks to the API as the operator, or as the holder of `token`."""
        headers = {"Authorization": f"Bearer {token or self.token}", "Accept": "application/vnd.heroku+json; version=3"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60)

    def typed(self, *words: str, stdin: str | None = None, token: str | None = None) -> Typed:
        """Type a command of ours, without a terminal, in a folder that is no checkout."""
        done = subprocess.run(
            [*CLI, *words], capture_output=True, text=True, input=stdin, cwd=self.home, timeout=120, check=False,
            env={**self.surroundings(), **({"CHANGEOVER_API_KEY": token} if token else {})},
        )  # fmt: skip
        return Typed(done.returncode, done.stdout, done.stderr)

    def must(self, *words: str) -> Typed:
        """As `typed`; fails the test unless it succeeds."""
        typed = self.typed(*words)
        assert typed.exit_code == 0, f"{words}: {typed.everything}\n{self.logs()}"
        return typed

    def logs(self) -> str:
        texts = [
            f"== {path.name}\n{path.read_text()[-3000:]}"
            for path in sorted(self.home.glob("log/*.*"))
            if path.is_file()
        ]
        return "\n".join(texts)

    def child(self, what: str) -> psutil.Process:
        """The control plane's `control-plane` or `worker`, waited for where it is just being restarted."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)

        def find() -> psutil.Process | None:
            for process in parent.children():
                try:
                    if f" {what} " in " ".join(process.cmdline()):
                        return process
                except psutil.NoSuchProcess:
                    continue
            return None

        found: psutil.Process = wait_until(find, what=f"the {what}")
        return found

    def state(self) -> psycopg.Connection[Any]:
        """Our own state, for looking at it."""
        from changeover.service.places import Places

        return psycopg.connect(
            host=str(Places(self.home).state_sockets),
            port=5432,
            user="changeover",
            dbname="changeover",
            options="-c search_path=state,public",
            autocommit=True,
        )

    def healthy(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False


def url_of(plane: ControlPlane, app: str, name: str = "DATABASE_URL") -> str:
    """A config var's value."""
    with plane.client() as client:
        found: str = client.get(f"/apps/{app}/config-vars").json()[name]
    return found


def connect(url: str, **options: Any) -> psycopg.Connection[Any]:
    """As a client of the database does: over TLS."""
    return psycopg.connect(url, sslmode="require", autocommit=True, connect_timeout=5, **options)


def make_home() -> Path:
    """A short path that the servers' user may pass through when we are root."""
    home = Path(tempfile.mkdtemp(prefix="co-"))
    home.chmod(0o711)
    return home


def remove_home(home: Path) -> None:
    """Ends what a failed test left behind (by the processes' own folders, never by name), then removes all."""
    for process in psutil.process_iter(["pid", "cwd", "cmdline"]):
        cwd, arguments = process.info["cwd"] or "", process.info["cmdline"] or []
        is_ours = Path(cwd).is_relative_to(home) or any(str(home) in word for word in arguments)
        if is_ours and process.pid != os.getpid():
            with suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(10)
    from changeover.service.places import Places

    shutil.rmtree(Places(home).sockets, ignore_errors=True)
    shutil.rmtree(home, ignore_errors=True)


def started_plane(**environment: str) -> ControlPlane:
    """In a home of its own, which `end_plane` removes."""
    plane = ControlPlane(make_home(), environment)
    try:
        plane.start()
    except BaseException:
        end_plane(plane)
        raise
    return plane


def end_plane(plane: ControlPlane) -> None:
    """Whatever is left of it. Fails the test where it runs and doesn't stop in order."""
    try:
        if plane.is_running():
            assert plane.stop() == 0
    finally:
        if plane.is_running():
            plane.kill()
        remove_home(plane.home)


def running_plane(**environment: str) -> Iterator[ControlPlane]:
    plane = started_plane(**environment)
    try:
        yield plane
    finally:
        end_plane(plane)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """One for all tests of this process that leave it as they found it; each uses apps of its own."""
    yield from running_plane(CHANGEOVER_TRUSTED_PROXIES=PROXY)


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[httpx2.Client]:
    """The shared control plane, as its operator."""
    with control_plane.client() as client:
        yield client
