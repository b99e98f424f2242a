"""What a home of apps can do, in plain values. Platform code speaks to this and never to what is behind it.

Every verb is safe to repeat: it observes the world first, then acts, so that a run's step may simply run again after a
crash. `app` is a short key that never changes while the app lives and is safe in paths, not a name that people may change.
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
"""Dynos that are changed together. Whoever starts or stops a worker does not wait for web dynos that boot slowly."""
GROUPS: tuple[Group, ...] = ("web", "others")


def group_of(type_: str) -> Group:
    """Of a process type."""
    return "web" if type_ == "web" else "others"


@dataclass(frozen=True)
class Dyno:
    """One process that is wanted. Two values that are equal are the same process: it keeps running."""

    app: str
    name: str
    """Type and number: `web.1`; one-offs `run.1234`, `release.1234`."""
    type: str
    command: str
    """One line of shell, as its author wrote it in the Procfile."""
    directory: Path
    environment: Mapping[str, str]
    """Config vars. PORT, DYNO, HOME, PATH and LANG are added."""
    release: int
    port: int | None = None
    """Where it must listen; it is up when it does. None: it is up when it has lived for a second."""
    size: str = "basic"
    restarts: int = 0
    """How often somebody asked for a restart: another number is another process."""


@dataclass(frozen=True)
class DynoState:
    """One look at a wanted process. While a newer one takes over from an older one, the newer."""

    app: str
    name: str
    state: State
    since: datetime
    pid: int | None
    release: int
    exit_code: int | None
    """How it ended last, when it is crashed or down; 128 and the signal's number when a signal ended it."""
    port: int | None = None


@dataclass(frozen=True)
class Applied:
    """What `apply` did, by the dynos' names."""

    kept: tuple[str, ...] = ()
    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    not_ready: tuple[str, ...] = ()
    """Started, but crashed or not listening within its time; it is tried again and again."""
    is_undone: bool = False
    """Because of `not_ready` the former ones were kept, and the new ones ended."""


@dataclass(frozen=True)
class OneOff:
    """A process that runs once. `lost`: it ended and nobody saw how, such as when the host went down."""

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
    """`id` stays true over reconnects and restarts: give it back to go on after this line."""

    id: str
    text: str


class Session(Protocol):
    """The two-way stream of bytes of an attached one-off."""

    async def read(self) -> bytes:
        """What it said next; empty when it has ended and said everything."""

    async def write(self, data: bytes) -> None:
        """What somebody types; nothing happens when it has ended."""

    async def end_input(self) -> None:
        """Nothing more will be typed."""

    def resize(self, columns: int, rows: int) -> None:
        """The terminal's new size; nothing to do without one."""

    async def exit_code(self) -> int:
        """Waits for its end."""


class Dynos(Protocol):
    """Processes of apps on this host. See each verb for what it raises."""

    async def start(self) -> None:
        """Start what keeps dynos alive, or adopt it when it runs. What it knew before comes back. Raises RuntimeFailed."""

    async def stop(self) -> None:
        """End every dyno and one-off, gracefully, and what keeps them. The next `start` brings the dynos back."""

    async def is_alive(self) -> bool:
        """One quick look, for a keeper to take now and then: when it says no, call `start`."""

    async def until_down(self) -> None:
        """Returns when what keeps dynos has ended, or at once where it doesn't run."""

    async def silent_process(self) -> int | None:
        """The pid of what keeps dynos, where it lives and does not answer: `start` would end it, and it may only be slow."""

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
        """Exactly these run afterwards; who is unchanged keeps its pid; none at all removes the app.

        With a `group`: exactly these of that group, and the other one is left alone.

        A successor on another port starts first; once it listens (and `when_ready` has returned) its predecessor is told
        to go. Others end before their successors start. With `keeps_former` no predecessor goes before all successors
        listen; when one does not come up in time, the successors are ended instead. Raises RuntimeFailed.
        """

    async def states(self, app: str | None = None) -> list[DynoState]:
        """Of one app or all, in the order of their names. Raises RuntimeFailed."""

    async def ports(self, app: str) -> frozenset[int]:
        """Of all its web dynos that there are, also of those that are being replaced. Raises RuntimeFailed."""

    async def run_once(self, dyno: Dyno, *, output: Path | None = None) -> OneOff:
        """Start it detached; it outlives us. Doing it again with the same name finds it. `output` gets what it says too."""

    def one_off(self, app: str, name: str) -> OneOff | None:
        """One look; None when there is none of this name, or it was forgotten."""

    def one_offs(self, app: str | None = None) -> list[OneOff]:
        """Running ones, and finished ones until they are forgotten."""

    async def stop_one_off(self, app: str, name: str) -> None:
        """SIGTERM, and SIGKILL when its time is up; its exit code can be read afterwards."""

    def forget_one_off(self, app: str, name: str) -> None:
        """Remove what is kept of a finished one."""

    async def forget(self, app: str) -> None:
        """Remove all that is kept of an app without dynos: its one-offs, its code, its user. Raises ServerFailed."""

    def attached(
        self, dyno: Dyno, *, columns: int = 80, rows: int = 24, tty: bool = True
    ) -> AbstractAsyncContextManager[Session]:
        """A one-off that lives as long as the block, on a terminal of its own or on pipes."""


class Logs(Protocol):
    """What apps said, and what was said about them, one line after the other."""

    def append(self, app: str, source: str, dyno: str, text: str) -> None:
        """Add each line of `text`, as `app[web.1]: …`."""

    def last(self, app: str, lines: int, *, source: str | None = None, dyno: str | None = None) -> list[LogLine]:
        """The newest ones, oldest first. `source` app, heroku or router; `dyno` web.1, or web for all of that type."""

    def follow(
        self, app: str, after_id: str | None = None, *, source: str | None = None, dyno: str | None = None
    ) -> AsyncIterator[LogLine]:
        """Every line after that one, or after now, for ever."""

    def forget(self, app: str) -> None:
        """Remove all of an app's lines."""
