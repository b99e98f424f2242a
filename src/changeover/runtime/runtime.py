"""The interface for running apps, in plain values. Platform code uses this, never an implementation.

Every verb is safe to repeat: it first observes, then acts, so a run's step may simply run again after a crash. `app` is a
short key that is safe in paths and never changes while the app exists, unlike its name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

State = Literal["up", "starting", "crashed", "down", "idle"]
Group = Literal["web", "others"]
"""Dynos that are changed together. So starting or stopping a worker doesn't wait for web dynos that boot slowly."""
GROUPS: tuple[Group, ...] = ("web", "others")


def group_of(type_: str) -> Group:
    """The group of a process type."""
    return "web" if type_ == "web" else "others"


@dataclass(frozen=True)
class Dyno:
    """One wanted process. Equal values mean the same process: it keeps running."""

    app: str
    name: str
    """Type and number: `web.1`; for one-offs `run.1234`, `release.1234`."""
    type: str
    command: str
    """Shell code, as written in the Procfile."""
    directory: Path
    environment: Mapping[str, str]
    """Config vars. PORT, DYNO, HOME, PATH and LANG are added."""
    release: int
    port: int | None = None
    """The port it must listen on to be up. None: it is up once it has been running for a second."""
    size: str = "basic"
    restarts: int = 0
    """How often a restart was requested. Another number means another process."""


@dataclass(frozen=True)
class DynoState:
    """The state of a wanted process. While a newer one replaces an older one, that of the newer."""

    app: str
    name: str
    state: State
    since: datetime
    pid: int | None
    release: int
    exit_code: int | None
    """Its last exit code when crashed or down: 128 plus the signal's number when a signal ended it."""
    port: int | None = None


@dataclass(frozen=True)
class Applied:
    """The result of `apply`, by the dynos' names."""

    kept: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    """Started, but crashed or not listening in time. It is restarted repeatedly."""
    is_undone: bool = False
    """Because of `not_ready`, the previous dynos were kept and the new ones ended."""


@dataclass(frozen=True)
class OneOff:
    """A process that runs once. `lost`: how it ended is unknown, for example because the host crashed."""

    app: str
    name: str
    state: Literal["running", "finished", "lost"]
    started_at: datetime
    pid: int | None
    exit_code: int | None
    command: str
    release: int


@dataclass(frozen=True)
class LogLine:
    """`id` stays valid over reconnects and restarts. Pass it back to continue after this line."""

    id: str
    text: str


class Session(Protocol):
    """The bidirectional byte stream of an attached one-off."""

    async def read(self) -> bytes:
        """The next output. Empty when the process has ended and all its output was read."""

    async def write(self, data: bytes) -> None:
        """Send input. Does nothing when the process has ended."""

    async def end_input(self) -> None:
        """End the input."""

    def resize(self, columns: int, rows: int) -> None:
        """The terminal's new size. Does nothing without a terminal."""

    async def exit_code(self) -> int:
        """Waits for the process to end."""


class Dynos(Protocol):
    """Apps' processes on this host. See each verb for what it raises."""

    async def start(self) -> None:
        """Start the process supervisor, or adopt a running one. Restarts the known dynos. Raises RuntimeFailed."""

    async def stop(self) -> None:
        """End every dyno and one-off gracefully, then the supervisor. The next `start` restarts the dynos."""

    async def is_alive(self) -> bool:
        """A quick check for the keeper. If False, call `start`."""

    async def until_down(self) -> None:
        """Returns when the supervisor has ended, or at once if it doesn't run."""

    async def silent_process(self) -> int | None:
        """The pid of a supervisor that runs but does not answer. `start` would kill it, although it may only be slow."""

    async def apply(
        self,
        app: str,
        wanted: Sequence[Dyno],
        *,
        group: Group | None = None,
        when_ready: Callable[[Dyno], Awaitable[None]] | None = None,
        ready_timeout_s: float = 60,
        keeps_former: bool = False,
    ) -> Applied:
        """Run exactly these dynos. Unchanged ones keep their pid. None at all removes the app.

        With a `group`: run exactly these in the group, and leave the other group alone.

        A successor on another port starts first. Once it listens and `when_ready` has returned, its predecessor is told to
        end. Otherwise predecessors end before their successors start. With `keeps_former`, no predecessor ends until all
        successors listen. If one does not come up in time, the successors are ended instead. Raises RuntimeFailed.
        """

    async def states(self, app: str | None = None) -> list[DynoState]:
        """The states of one app's dynos or all, in the order of their names. Raises RuntimeFailed."""

    async def ports(self, app: str) -> frozenset[int]:
        """The ports of all its present web dynos, including those being replaced. Raises RuntimeFailed."""

    async def run_once(self, dyno: Dyno, *, output: Path | None = None) -> OneOff:
        """Start it detached, so it outlives us. Repeating it with the same name returns it. `output` gets its output too."""

    def one_off(self, app: str, name: str) -> OneOff | None:
        """The current state. None if there is none with this name, or it was forgotten."""

    def one_offs(self, app: str | None = None) -> list[OneOff]:
        """Running ones, and finished ones until they are forgotten."""

    async def stop_one_off(self, app: str, name: str) -> None:
        """Send SIGTERM, then SIGKILL when its time is up. Its exit code is available afterwards."""

    def forget_one_off(self, app: str, name: str) -> None:
        """Remove the data of a finished one."""

    async def forget(self, app: str) -> None:
        """Remove all data of an app without dynos: its one-offs, its code, its user. Raises ServerFailed."""

    def attached(
        self, dyno: Dyno, *, columns: int = 80, rows: int = 24, tty: bool = True
    ) -> AbstractAsyncContextManager[Session]:
        """A one-off that lives as long as the block, on its own terminal or on pipes."""


class Logs(Protocol):
    """The log lines of apps and about them."""

    def append(self, app: str, source: str, dyno: str, text: str) -> None:
        """Add each line of `text`, as `app[web.1]: …`."""

    def last(self, app: str, lines: int, *, source: str | None = None, dyno: str | None = None) -> list[LogLine]:
        """The newest ones, oldest first. `source` app, heroku or router; `dyno` web.1, or web for all of that type."""

    def follow(
        self, app: str, after_id: str | None = None, *, source: str | None = None, dyno: str | None = None
    ) -> AsyncIterator[LogLine]:
        """Every line after that one, or every new line, forever."""

    def forget(self, app: str) -> None:
        """Remove all of an app's lines."""
