"""The parent: opens the socket, forks control plane and job worker, and restarts them when they die.

It also restarts the state's PostgreSQL, on which both depend. It does nothing else, so it has no reason to fail.
It imports everything that its children need, so that imports happen once and memory is shared, but does not run it: it has one
thread and no event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import gc
import http.client
import json
import logging
import os
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from changeover.errors import AlreadyRunning, BadSetting, ChangeoverError, HomeGone, PortTaken, Reported, ServerFailed
from changeover.hosts.remains import end_everything
from changeover.loopback import is_loopback
from changeover.service.child import Child
from changeover.service.children import log_to
from changeover.service.forked import fork
from changeover.service.moved import note_its_place, require_home_in_its_place, where_it_is_now
from changeover.service.places import Places
from changeover.settings import Settings

if TYPE_CHECKING:
    from changeover.service.programs import Programs

READY_S = 60.0
STOP_S = 20.0
TICK_MS = 500
IDLE_S = 3.0
REVIVE_PAUSE_S = 3.0
ANY_PORT = "127.0.0.1:0"
"""When only the state is restarted, the router already listens."""
log = logging.getLogger("changeover.parent")
AS_A_USER = (
    "It runs as an ordinary user: every database and app does too, and can read the others' files. "
    "As root they get users of their own."
)


@dataclass(frozen=True)
class Listen:
    """The listening address, and its certificate."""

    host: str
    port: int
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @classmethod
    def parse(cls, text: str, tls_cert: Path | None, tls_key: Path | None) -> Listen:
        """Raises BadSetting. An address other than loopback requires TLS."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65535:
            raise BadSetting("--listen", text, wants="HOST:PORT, such as 127.0.0.1:5000 (port 0 picks a free one)")
        if not is_loopback(host) and not (tls_cert and tls_key):
            raise BadSetting("--listen", text, wants="an address of loopback, or --tls-cert and --tls-key beside it")
        return cls("127.0.0.1" if host == "localhost" else host, int(port), tls_cert, tls_key)

    def open(self) -> socket.socket:
        """Raises PortTaken."""
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self.host, self.port))
        except OSError as error:
            listening.close()
            raise PortTaken(
                f"changeover can't listen on {self.host}:{self.port}.",
                why=f"{error.strerror}: another program uses that port." if self.port else str(error),
                fix="End that program (`ss -ltnp` names it), or choose another port: --listen 127.0.0.1:0 finds a free one.",
            ) from error
        listening.listen(512)
        listening.set_inheritable(True)
        return listening

    def url(self, port: int) -> str:
        return f"{'https' if self.tls_cert else 'http'}://{self.host}:{port}"


@dataclass
class Supervisor:
    """Runs until told to stop."""

    places: Places
    settings: Settings
    listen: Listen
    router_listen: str
    leave_running: bool
    until_idle: bool = False
    told_to_stop: bool = False
    revive_not_before: float = 0.0
    lock_file: int | None = None
    home_is_gone: bool = False
    children: list[Child] = field(default_factory=list)

    def run(self) -> int:
        """Returns the exit code. Raises AlreadyRunning, PortTaken, and the errors of `prepare`."""
        self.places.make()
        with self._alone(), self.listen.open() as listening:
            require_home_in_its_place(self.places)
            note_its_place(self.places)
            log_to(self.places.logs, "parent", also_to=sys.stderr)
            self.places.endpoint.unlink(missing_ok=True)  # of one that was killed
            wake, woken = self._obey_signals()
            with self._one_shot("prepare", self._first_of_all()):
                programs = self._load(listening)
            self._make_children(programs)
            try:
                for child in self.children:
                    child.start(self.places)
                self._announce(programs, listening.getsockname()[1], woken)
                idle = _Idle(self.places.in_use) if self.until_idle else None
                while not self.told_to_stop and not (idle and idle.has_lasted()):
                    self._tend(programs, woken, TICK_MS)
            finally:
                self.places.endpoint.unlink(missing_ok=True)
                self._stop_children()
                if not (self.leave_running or self.home_is_gone):
                    with self._one_shot("teardown", programs.teardown):
                        pass
            wake.close()
        return 0

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        handle = self.places.lock.open("a+")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            pid = handle.read().strip()
            handle.close()
            raise AlreadyRunning(
                f"A control plane already runs over {self.places.home}.",
                why=f"Its process is {pid}." if pid else "",
                fix="Stop it with `changeover stop`, or choose another --data-dir.",
            ) from None
        with handle:
            handle.truncate(0)
            handle.write(f"{os.getpid()}\n")
            handle.flush()
            self.lock_file = handle.fileno()
            yield
            handle.truncate(0)

    def _obey_signals(self) -> tuple[socket.socket, socket.socket]:
        wake, woken = socket.socketpair()
        for end in (wake, woken):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)

        def stop(_number: int, _frame: object) -> None:
            self.told_to_stop = True

        for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, stop)
        return wake, woken

    def _first_of_all(self) -> Callable[[], int]:
        """Needs only a part of what the children need. The rest is imported meanwhile."""
        from changeover.service.prepare import prepared

        return lambda: prepared(self.places, self.settings, self.router_listen)

    def _load(self, listening: socket.socket) -> Programs:
        """Import what the children run, and freeze it, because garbage collection would unshare its memory."""
        gc.disable()
        from changeover.service.programs import Programs

        gc.collect()
        gc.freeze()
        gc.enable()
        return Programs(
            self.places, self.settings, self.router_listen, self.until_idle,
            listening.fileno(), self.listen.tls_cert, self.listen.tls_key,
        )  # fmt: skip

    def _make_children(self, programs: Programs) -> None:
        self.children = [
            Child("worker", programs.worker),
            Child("control-plane", programs.control_plane, keep=(programs.listening,)),
        ]

    @contextlib.contextmanager
    def _one_shot(self, what: str, act: Callable[[], int]) -> Iterator[None]:
        """Run a short process while the block runs. Raises its failure as ours."""
        with open(os.memfd_create("said"), "rb") as said, open(os.memfd_create("errors"), "rb") as errors:
            one = fork(
                f"changeover {what} --data-dir={self.places.home}", act, stdout=said.fileno(), stderr=errors.fileno()
            )
            try:
                yield
            finally:
                code = one.wait()
            if code != 0:
                for file in (said, errors):
                    file.seek(0)
                raise _told(what, said.read(), errors.read())

    def _announce(self, programs: Programs, port: int, woken: socket.socket) -> None:
        url = self.listen.url(port)
        deadline = time.monotonic() + READY_S
        while not self.told_to_stop:
            if _answers(self.listen, port):
                self._write_endpoint(url)
                print(f"changeover is ready at {url}", flush=True)
                if os.geteuid() != 0:
                    print(AS_A_USER, file=sys.stderr, flush=True)
                return
            if time.monotonic() > deadline:
                raise ServerFailed(
                    "changeover did not become ready.",
                    why=f"{url}/healthz did not report state and worker within {READY_S:.0f} seconds.",
                    fix=f"See the logs in {self.places.logs}.",
                )
            self._tend(programs, woken, 20)

    def _write_endpoint(self, url: str) -> None:
        fresh = self.places.endpoint.with_suffix(".new")
        fresh.write_text(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        fresh.rename(self.places.endpoint)

    def _tend(self, programs: Programs, woken: socket.socket, wait_ms: int) -> None:
        """Sleep until something happens, then restart dead children."""
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        for child in self.children:
            if child.pidfd >= 0:
                poll.register(child.pidfd, select.POLLIN)
        poll.poll(wait_ms)
        with contextlib.suppress(BlockingIOError):
            while woken.recv(64):
                pass
        self._require_home()
        for child in self.children:
            child.end_if_frozen(self.settings.frozen_after_s)
            child.reap()
        if self.told_to_stop:
            return
        if self._state_is_dead():
            self._revive_state(programs)
        for child in self.children:
            if child.process is None and time.monotonic() >= child.not_before:
                child.try_to_start(self.places)

    def _revive_state(self, programs: Programs) -> None:
        """Logs the error and retries later, because its cause (such as a full disk) may pass."""
        if time.monotonic() < self.revive_not_before:
            return
        try:
            with self._one_shot("prepare", lambda: programs.prepare(ANY_PORT)):
                pass
            log.warning("the state's PostgreSQL had ended; it was started again")
        except ChangeoverError as error:
            self.revive_not_before = time.monotonic() + REVIVE_PAUSE_S
            log.error("the state's PostgreSQL does not start; trying again. %s", error.message)  # noqa: TRY400

    def _state_is_dead(self) -> bool:
        """Its pid file is missing or has the pid of a dead process."""
        if self.settings.state_url is not None or not (self.places.state_data / "PG_VERSION").exists():
            return False
        try:
            pid = int((self.places.state_data / "postmaster.pid").read_text().split()[0])
        except FileNotFoundError:
            return True
        except (ValueError, IndexError, PermissionError):
            return False
        return not _is_alive(pid)

    def _require_home(self) -> None:
        """Nothing may run without the home, or on one that was moved. Raises HomeGone when everything has ended."""
        assert self.lock_file is not None  # noqa: S101 - held for as long as we run
        try:
            if os.path.samestat(os.fstat(self.lock_file), self.places.lock.stat()):
                return
        except FileNotFoundError:
            pass
        now = where_it_is_now(self.lock_file, self.places.lock.name)
        how = f"moved to {now}" if now else "deleted or unmounted"
        what = f"The home {self.places.home} was {how} while its control plane ran."
        self.home_is_gone = True
        log.error("%s Everything that runs over it is ended.", what)
        self._stop_children(0)  # at once: they would make parts of it again
        asyncio.run(end_everything(self.places.home.resolve(), *([now] if now else [])))
        shutil.rmtree(self.places.sockets, ignore_errors=True)
        if now and self.places.home.exists():  # parts of it were made again in the last moment
            self.places.home.rename(self.places.home.with_name(f"{self.places.home.name}.made-again-{os.getpid()}"))
        raise HomeGone(
            what,
            why="Its servers and apps could not continue.",
            fix=f"Move it back (`mv {now} {self.places.home}`), then start it again." if now
            else "Start a new one, and restore the last backup into it: `changeover restore FILE`.",
        )  # fmt: skip

    def _stop_children(self, within_s: float = STOP_S) -> None:
        alive = [child for child in self.children if child.process is not None]
        for child in alive:
            assert child.process is not None  # noqa: S101 - filtered above
            child.process.terminate()
        deadline = time.monotonic() + within_s
        for child in alive:
            assert child.process is not None  # noqa: S101 - filtered above
            try:
                child.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                if within_s:
                    log.warning("the %s (process %d) did not end within %.0f seconds of SIGTERM and is killed",
                                child.name, child.process.pid, within_s)  # fmt: skip
                child.process.kill()
                child.process.wait()
            child.forget()


class _Idle:
    """Whether the lock `in-use` has been free for a while. Then holds it, so that new users wait for our end."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("a")
        self._since: float | None = None

    def has_lasted(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._since = None
            return False
        now = time.monotonic()
        self._since = self._since or now
        if now - self._since > IDLE_S:
            return True
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return False


def _is_alive(pid: int) -> bool:
    """False for a zombie, which in a container may last for a second, or forever."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def _answers(listen: Listen, port: int) -> bool:
    host = "127.0.0.1" if listen.host == "0.0.0.0" else listen.host  # noqa: S104 - compared, not bound
    asking: http.client.HTTPConnection = (
        http.client.HTTPSConnection(host, port, timeout=1, context=_unverified())
        if listen.tls_cert
        else http.client.HTTPConnection(host, port, timeout=1)
    )
    try:
        asking.request("GET", "/healthz")
        found = json.loads(asking.getresponse().read())
        parts = ("api", "state", "worker")  # not the disk: a server with a full disk starts too
        return all(found.get(part) for part in parts)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        asking.close()


def _unverified() -> ssl.SSLContext:
    """For connections to ourselves, by an address that the certificate may lack."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _told(what: str, refused: bytes, errors: bytes) -> ChangeoverError:
    try:
        return Reported(json.loads(refused))
    except ValueError:
        said = errors.decode(errors="replace").strip().splitlines()
        return ServerFailed(f"changeover {what} failed.", why=said[-1] if said else "It said nothing.")
