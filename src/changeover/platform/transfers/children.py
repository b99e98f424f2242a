"""One pg_dump or pg_restore process: started with open streams, monitored, ended, and found again after a crash.

Its arguments contain no secrets. They contain the transfer's id as the application name, which identifies it for a successor.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar
from uuid import UUID

from psycopg.conninfo import make_conninfo

from changeover.hosts.processes import Process, end_all, everything_running
from changeover.hosts.programs import start_piped
from changeover.hosts.users import run_as_for_clients
from changeover.postgres.libpq import addresses_of_blocking, told
from changeover.postgres.location import KEEPALIVES, Location
from changeover.postgres.reaching import why_refused

PROGRAMS = ("pg_dump", "pg_restore")
KEPT_LINES = 40
Result = TypeVar("Result")


def application_name(transfer: UUID) -> str:
    """The application name of its sessions and children."""
    return f"changeover:{transfer}"


def database_argument(location: Location, transfer: UUID) -> str:
    """Everything else is in the environment, because all users can read arguments."""
    return "--dbname=" + make_conninfo(
        "", dbname=location.database, application_name=application_name(transfer), **KEEPALIVES
    )


class Child:
    """A program with pipes. `on_line` is called in another thread with each line of its standard error."""

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        location: Location | None = None,
        on_line: Callable[[str], None] = lambda _: None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
    ) -> None:
        """`location` is the database. Resolves its host name, so call this in a thread. Raises AddressNotAllowed."""
        program = Path(arguments[0])
        self.name = program.name
        self._said: deque[str] = deque(maxlen=KEPT_LINES)
        self._on_line = on_line
        user = run_as_for_clients()
        with _told(location, user) as (environment, files):
            self._process = start_piped(
                arguments, environment=environment, run_as=user, files=files, stdin=stdin, stdout=stdout
            )
        self._listener = threading.Thread(target=self._listen, name=f"listen to {self.name}", daemon=True)
        self._listener.start()

    @property
    def stdin(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101 - started with a pipe
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        assert self._process.stdout is not None  # noqa: S101 - started with a pipe
        return self._process.stdout

    def finish(self) -> int:
        """Wait for its end and return its exit code. All its output is known then."""
        code = self._process.wait()
        self._listener.join()
        return code

    def has_ended(self, *, within_s: float) -> bool:
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Tell it to stop. Readers and writers of its streams get an end of file."""
        self._process.terminate()

    def close(self) -> None:
        """Kill it and clean up."""
        self._process.kill()
        self.finish()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()

    def complaint(self, count: int = 3) -> str:
        """Why it failed, from its own output."""
        errors = [line for line in self._said if re.search(r"error:|FATAL:|ERROR:", line)]
        lines = [line.removeprefix(f"{self.name}: ") for line in (errors or list(self._said))[:count]]
        return " / ".join(lines) or "It printed nothing."

    def _listen(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - always a pipe
        for raw in self._process.stderr:
            line = raw.decode(errors="replace").rstrip()
            self._said.append(line)
            self._on_line(line)


@contextmanager
def _told(location: Location | None, user: str | None) -> Iterator[tuple[Mapping[str, str], Sequence[int]]]:
    """The program's environment for its database. It inherits the certificates, so ours can be closed."""
    if location is None:
        yield {}, ()
        return
    try:
        addresses = addresses_of_blocking(location)
    except (OSError, UnicodeError) as unknown:
        raise why_refused(location, OSError(f"failed to resolve host {location.host!r}: {unknown}")) from None
    with told(location, addresses, user=user) as wanted:
        yield wanted.environment(), wanted.files


async def in_a_thread(work: Callable[[], Result], *, give_up: Callable[[], None]) -> Result:
    """Runs `work` in a thread and returns its result. On cancellation, `give_up` must make it end, and this waits for it.

    Uses its own thread, because long work would occupy asyncio's few shared ones.
    """
    with_one = ThreadPoolExecutor(1, thread_name_prefix="transfer")
    doing = asyncio.get_running_loop().run_in_executor(with_one, work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        give_up()
        with suppress(Exception):
            await doing
        raise
    finally:
        with_one.shutdown(wait=False)


def children_of(transfer: UUID) -> list[Process]:
    """Running children, ours or those of a dead predecessor."""
    mark = application_name(transfer)
    return [
        process
        for process in everything_running()
        if process.program in PROGRAMS and any(mark in word for word in process.arguments)
    ]


async def end_children(transfer: UUID) -> None:
    """No process works on the transfer any more when this returns."""
    await end_all(lambda: children_of(transfer), gently=signal.SIGTERM)
