"""A data directory and its postmaster, as files and processes: initialize, configure, start or adopt, stop.

Knows nothing about the databases inside. Used for our own state server and for every server of the local engine.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from changeover.errors import DiskFull, PortTaken, ServerFailed, ServerUnreachable
from changeover.hosts.disks import full_disk_in, naming
from changeover.hosts.processes import Process, end_all, end_process, everything_running, look_at, wait_until_gone
from changeover.hosts.programs import Finished, last_lines, owner_ids, run_or_fail, run_program
from changeover.postgres.configuration import SUPERUSER, SettingValue, access_file, identity_file, settings_file
from changeover.postgres.connect import Address, connect
from changeover.postgres.installations import Installation, probe, require_program

LONGEST_SOCKET_PATH = 100
NICE = Path("/usr/bin/nice")
LOOK_S = 0.01
STATUS_LINE = 7
"""A line of postmaster.pid since PostgreSQL 10."""
WAL_SEGMENT_MB = 4
"""A promotion copies one and syncs it; docs/adr/0011-small-wal-segments.md has what each size costs."""
TELLING = ("FATAL:", "PANIC:", "ERROR:", "HINT:  Is", "could not", "invalid value", "unrecognized")
"""Words that mark the log lines that explain a failure."""


_launchers: set[asyncio.Future[Finished]] = set()


@dataclass(frozen=True)
class Cluster:
    """The paths and the port of one server. A value: creating one has no effects."""

    bin_directory: Path
    data_directory: Path
    socket_directory: Path
    log_directory: Path
    port: int
    run_as: str | None = None
    """The user that owns its processes and files. None: the current user."""

    @property
    def address(self) -> Address:
        """The address for our own connections."""
        return Address(self.socket_directory, self.port)

    @property
    def installation(self) -> Installation:
        """The features of its PostgreSQL. Raises InstallationGone."""
        require_program(self.bin_directory, "postgres")
        return probe(self.bin_directory, "configured")

    # -- creating

    @property
    def is_initialised(self) -> bool:
        """Whether the data directory is complete."""
        return (self.data_directory / "PG_VERSION").is_file()

    async def initialise(
        self,
        settings: Mapping[str, SettingValue],
        *,
        listens: bool,
        take_spare: Callable[[Installation, Path], bool] = lambda _installation, _to: False,
    ) -> None:
        """Create and configure the data directory. It gets its final name only when it is complete.

        `take_spare` may move one that initdb has already filled to the given path.
        """
        if self.is_initialised:
            return
        making = self.data_directory.with_name(self.data_directory.name + ".making")
        await asyncio.to_thread(shutil.rmtree, making, ignore_errors=True)
        if not take_spare(self.installation, making):
            await make_data_directory(making, self.installation, run_as=self.run_as)
        self.configure(settings, listens=listens, folder=making)
        making.rename(self.data_directory)

    def configure(self, settings: Mapping[str, SettingValue], *, listens: bool, folder: Path | None = None) -> None:
        """Write the three configuration files, into `folder` if given."""
        folder = folder or self.data_directory
        has_tls = bool(settings.get("ssl"))
        self._write(folder / "postgresql.conf", settings_file({**settings, **self._places()}))
        self._write(folder / "pg_hba.conf", access_file(listens=listens, has_tls=has_tls))
        self._write(folder / "pg_ident.conf", identity_file(administrator()))

    def _places(self) -> dict[str, SettingValue]:
        return {
            "port": self.port,
            "unix_socket_directories": '"' + str(self.socket_directory).replace('"', '""') + '"',
            "unix_socket_permissions": "0700",
        }

    def _write(self, path: Path, text: str) -> None:
        write_file(path, text.encode(), run_as=self.run_as)

    # -- inspecting

    def postmaster(self) -> Process | None:
        """The running postmaster, if any. Identified by its command line and working directory, not by the pid alone."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, ValueError, IndexError):
            pid = int((self.data_directory / "postmaster.pid").read_text().splitlines()[0])
            process = look_at(pid)
            if process and self._is_postmaster(process):
                return process
        return None

    def _is_postmaster(self, process: Process) -> bool:
        # A backend has the same working directory, but its process title replaces its arguments.
        return process.working_directory == self.data_directory.resolve() and "-D" in process.arguments

    def processes(self) -> list[Process]:
        """The postmaster and all its children: every process that works in the data directory."""
        home = self.data_directory.resolve()
        return [
            process
            for process in everything_running()
            if process.working_directory == home and process.program.startswith(("postgres", "postmaster"))
        ]

    async def was_shut_down(self) -> bool:
        """Whether the last shutdown was clean."""
        control = require_program(self.bin_directory, "pg_controldata")
        said = await run_program([control, self.data_directory], run_as=self.run_as)
        return any(
            line.startswith("Database cluster state:") and "shut down" in line for line in said.output.splitlines()
        )

    def last_log_lines(self, *, since: float = 0) -> str:
        """The end of the newest log, to quote in an error. Considers only files modified after `since` (epoch seconds)."""
        logs = [
            path for path in self.log_directory.glob("*.log") if path.stat().st_mtime >= since and path.stat().st_size
        ]
        texts = [tail_of(path) for path in sorted(logs, key=lambda path: path.stat().st_mtime)]
        lines = "\n".join(texts).splitlines()
        telling = [line for line in lines if any(word in line for word in TELLING)]
        return last_lines("\n".join(telling or lines))

    # -- starting

    async def start(self, *, timeout_s: float = 60) -> None:
        """Start the postmaster, or adopt a running one, and wait until it accepts connections.

        Raises PortTaken, DiskFull, ServerFailed, InstallationGone, and ServerUnreachable when it is not ready in time.
        """
        deadline = time.monotonic() + timeout_s
        pg_ctl = require_program(self.bin_directory, "pg_ctl")
        async with alone_with(self.data_directory, deadline):
            is_adopted = self.postmaster() is not None
            if not is_adopted:
                if (self.data_directory / "postmaster.opts").exists():  # it has run before
                    await self._clear_away_the_dead()
                self._prepare_folders()
                await self._launch(pg_ctl, timeout_s)
        try:
            await self._wait_until_ready(deadline)
        except ServerFailed:
            if not is_adopted:
                raise
            await self.start(timeout_s=max(1.0, deadline - time.monotonic()))  # it was shutting down

    async def _launch(self, pg_ctl: Path, timeout_s: float) -> None:
        log = self.log_directory / "startup.log"
        log.unlink(missing_ok=True)
        began = time.time() - 1
        wait = ["--wait", f"--timeout={timeout_s:.0f}", "--silent"]
        arguments: list[str | Path] = [pg_ctl, "start", f"--pgdata={self.data_directory}", f"--log={log}", *wait]
        launching = asyncio.ensure_future(run_program(arguments, run_as=self.run_as, timeout_s=timeout_s + 10))
        while not launching.done():
            if self._says_it_is_ready():  # pg_ctl waits for the same, but polls ten times a second
                _launchers.add(launching)
                launching.add_done_callback(_launchers.discard)
                return
            await asyncio.wait({launching}, timeout=LOOK_S)
        done = launching.result()
        if done.code != 0 and not self.postmaster():
            raise self._why_it_failed(self.last_log_lines(since=began))

    def _says_it_is_ready(self) -> bool:
        """Whether its pid file says so, for a leader or a standby."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            lines = (self.data_directory / "postmaster.pid").read_text().splitlines()
            return len(lines) > STATUS_LINE and lines[STATUS_LINE].strip() in ("ready", "standby")
        return False

    def _prepare_folders(self) -> None:
        path = self.socket_directory / f".s.PGSQL.{self.port}.lock"
        if len(os.fsencode(path)) >= LONGEST_SOCKET_PATH:
            raise ServerFailed(
                f"The server in {self.data_directory} cannot start.",
                why=f"The path of its socket, {path}, is longer than {LONGEST_SOCKET_PATH} bytes.",
                fix="Choose a shorter folder for sockets.",
            )
        make_folder(self.socket_directory, run_as=self.run_as)
        make_folder(self.log_directory, run_as=self.run_as)

    async def _clear_away_the_dead(self) -> None:
        """End the children of a killed postmaster and remove its lock files.

        PostgreSQL refuses to start when another process has reused the pid in such a file.
        """
        await end_all(self.processes, gently=signal.SIGQUIT)
        (self.data_directory / "postmaster.pid").unlink(missing_ok=True)
        socket = self.socket_directory / f".s.PGSQL.{self.port}"
        lock = socket.with_name(socket.name + ".lock")
        if lock.exists() and str(self.data_directory) in lock.read_text().splitlines():
            socket.unlink(missing_ok=True)
            lock.unlink()

    async def _wait_until_ready(self, deadline: float) -> None:
        while True:
            try:
                async with connect(self.address, timeout_s=5):
                    return
            except ServerUnreachable:
                if not self.postmaster():
                    raise self._why_it_failed(self.last_log_lines()) from None
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.02)

    def _why_it_failed(self, said: str) -> ServerFailed | PortTaken | DiskFull:
        what = f"The server in {self.data_directory} did not start."
        if "Address already in use" in said or "could not bind" in said:
            return PortTaken(
                what,
                why=f"Another program uses port {self.port}: {said}",
                fix=f"End the program that listens on port {self.port} (`ss -ltnp`), or give this server another port.",
            )
        if full := full_disk_in(said, what, where=self.data_directory):
            return full
        return ServerFailed(
            what, why=said, fix=f"See the log in {self.log_directory}. Fix the reported problem, then try again."
        )

    # -- stopping

    async def stop(self, *, timeout_s: float = 90) -> None:
        """Shut down in fast mode. Does nothing if not running. Raises ServerFailed when it takes too long."""
        postmaster = self.postmaster()
        if postmaster is None:
            await end_all(self.processes, gently=signal.SIGQUIT)
            return
        end_process(postmaster, signal.SIGINT)
        if not await wait_until_gone(postmaster, timeout_s=timeout_s):
            raise ServerFailed(
                f"The server in {self.data_directory} is still shutting down.",
                why=f"It has not finished within {timeout_s:.0f} seconds: {self.last_log_lines()}",
                fix="Wait and try again. A follower that hangs can delay the shutdown.",
            )

    async def kill(self) -> None:
        """Shut down immediately, without a checkpoint; the next start recovers. Affects only this server's processes."""
        if postmaster := self.postmaster():
            end_process(postmaster, signal.SIGQUIT)
            await wait_until_gone(postmaster, timeout_s=5)
        await end_all(self.processes, gently=signal.SIGQUIT)

    def reload(self) -> None:
        """Make it reload its configuration and certificate."""
        if postmaster := self.postmaster():
            end_process(postmaster, signal.SIGHUP)


async def make_data_directory(
    folder: Path, installation: Installation, *, run_as: str | None, is_urgent: bool = True
) -> None:
    """Run initdb, whose settings no server uses: `initialise` replaces them. Runs with low priority if it isn't urgent."""
    make_folder(folder, run_as=run_as)
    initdb = require_program(installation.bin_directory, "initdb")
    priority: list[str | Path] = [] if is_urgent else [NICE, "-n", "19"]
    await run_or_fail(
        [
            *priority,
            *(initdb, f"--pgdata={folder}", f"--username={SUPERUSER}", "--data-checksums", "--encoding=UTF8"),
            *("--auth-local=peer", "--auth-host=reject", f"--wal-segsize={WAL_SEGMENT_MB}"),
            *await _locale(installation),
        ],
        run_as=run_as,
    )


def administrator() -> str:
    """The system user that is superuser of our servers: the user of changeover itself, never the user they run as."""
    return pwd.getpwuid(os.geteuid()).pw_name


def make_folder(folder: Path, *, run_as: str | None, mode: int = 0o700) -> None:
    """Create a folder owned by the server's user. Its parents must exist or belong to us."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)
    if run_as is not None:
        os.chown(folder, *owner_ids(run_as))


def write_file(path: Path, content: bytes, *, run_as: str | None, mode: int = 0o600) -> None:
    """Write atomically. The file belongs to the server's user and is never readable by others."""
    ready = _ready(path)
    if ready.exists() and ready.read_bytes() == content:
        ready.replace(path)
        return
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with naming(path), open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        if run_as is not None:
            os.fchown(file.fileno(), *owner_ids(run_as))
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def lay_ready(path: Path, content: bytes, *, run_as: str | None) -> None:
    """Write the content to disk beside `path`, so that `write_file` only has to rename it during the pause."""
    write_file(_ready(path), content, run_as=run_as)


def _ready(path: Path) -> Path:
    return path.with_name(path.name + ".ready")


def tail_of(path: Path, count: int = 4096) -> str:
    """The last `count` bytes of a file as text. Empty when it doesn't exist."""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - count))
        return file.read().decode(errors="replace")
    return ""


@asynccontextmanager
async def alone_with(folder: Path, deadline: float) -> AsyncIterator[None]:
    """A lock on the data directory. Without it, a second starter could mistake the first one's new process for a leftover.

    Also held to replace the access file, so that a fence isn't overwritten by rules that were read before it.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServerUnreachable(
                        f"The server in {folder} is not ready.",
                        why="Another changeover process is still starting it.",
                        fix="Wait a moment and try again.",
                    ) from None
            await asyncio.sleep(0.05)
        yield
    finally:
        os.close(handle)


async def _locale(installation: Installation) -> list[str]:
    """Bytewise order, so that an upgrade of the system's collations can't corrupt an index."""
    known = await run_program([Path("/usr/bin/locale"), "-a"])
    has_utf8 = any(line.strip().lower() in ("c.utf8", "c.utf-8") for line in known.output.splitlines())
    locale = "C.UTF-8" if has_utf8 else "C"
    if installation.version >= (17, 0):
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", f"--locale={locale}"]
    return [f"--locale={locale}"]
