"""The process that writes dynos' output and state changes to the logs. supervisord starts it, and restarts it when it dies.

Dynos write to named pipes that this process reads, so its death loses no line and ends no dyno. It receives dyno state
changes from supervisord on standard input. It kills dynos that don't listen in time, and supervisord restarts them.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import selectors
import signal
import sys
import time
from pathlib import Path

from changeover.hosts.processes import Process, age_s, end_process
from changeover.runtime.dynos.events import Event, Events
from changeover.runtime.dynos.listening import listens
from changeover.runtime.dynos.log_store import LogStore, clean
from changeover.runtime.dynos.narration import SHOWN_AS, Narration
from changeover.runtime.dynos.places import ONCE, Places, parts_of
from changeover.runtime.dynos.remains import bearing, is_launcher, noted
from changeover.runtime.dynos.streams import Stream, read_sheet

log = logging.getLogger(__name__)

LOOK_AROUND_S = 0.25
PAUSE_AFTER_A_CRASH_S = 1.0
BOOT_S = 60.0
"""The default for sheets of an older version, which don't contain it."""


class Keeper:
    """Runs until supervisord is gone or stops it."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._store = LogStore(places.app_logs)
        self._events = Events(sys.stdin.fileno(), sys.stdout.fileno())
        self._streams: dict[str, Stream] = {}
        self._lives: dict[str, Narration] = {}
        self._awaited: set[str] = set()
        """Dynos that have a port and don't listen yet."""
        self._selector = selectors.DefaultSelector()
        self._looks_at = 0.0
        self._told_to_stop = False

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self._stop)
        with self._places.lock("log-keeper").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a keeper that lost its supervisord may still be reading
            poke = self._open_poke()
            self._look_around()
            self._events.open()
            self._selector.register(self._events.read_end, selectors.EVENT_READ, self._hear)
            self._selector.register(poke, selectors.EVENT_READ, lambda: self._be_poked(poke))
            while not (self._told_to_stop or self._events.has_ended):
                for found, _ in self._selector.select(LOOK_AROUND_S):
                    found.data()
                if time.monotonic() >= self._looks_at:
                    self._look_around()
            for key in list(self._streams):
                self._close(key)

    def _stop(self, _number: int, _frame: object) -> None:
        self._told_to_stop = True

    # -- pipes

    def _open_poke(self) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._places.poke, 0o600)
        return os.open(self._places.poke, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def _be_poked(self, poke: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while os.read(poke, 4096):
                pass
        self._look_around()

    def _look_around(self) -> None:
        """Open new pipes, close removed ones, check which dynos listen by now, and report dropped lines."""
        self._looks_at = time.monotonic() + LOOK_AROUND_S
        here = {path.name for path in self._places.pipes.iterdir() if not path.name.startswith(".")}
        for key in self._streams.keys() - here:
            self._close(key)
        for key in here - self._streams.keys():
            self._open(key)
        for stream in list(self._streams.values()):
            stream.tell_dropped()
            if stream.kind == ONCE:
                self._see_whether_it_ended(stream)
        for key in list(self._awaited):
            self._see_whether_it_listens(key)

    def _open(self, key: str) -> None:
        try:
            stream = Stream(key, self._places, self._store)
        except FileNotFoundError:
            return
        self._streams[key] = stream
        self._selector.register(stream.pipe, selectors.EVENT_READ, stream.read)

    def _close(self, key: str) -> None:
        stream = self._streams.pop(key)
        self._selector.unregister(stream.pipe)
        stream.close()
        if self._lives.get(key) and self._lives[key].shown == "down":
            del self._lives[key]

    def _see_whether_it_ended(self, stream: Stream) -> None:
        try:
            code = int(self._places.exit(stream.key).read_text())
        except FileNotFoundError:
            return
        stream.finish()
        for line in Narration(stream.sheet.get("command", ""), False, 0, shown="up").finished(code):
            stream.note(line)
        self._places.pipe(stream.key).unlink(missing_ok=True)
        self._close(stream.key)

    def _see_whether_it_listens(self, key: str) -> None:
        process, sheet = noted(self._places.started(key)), read_sheet(self._places, key)
        if process is None or not sheet.get("port"):
            return
        if listens(process.pid, sheet["port"]):
            self._awaited.discard(key)
            self._tell(key, list(self._lives[key].listens()))
        elif age_s(process) > (boot_s := sheet.get("boot_s", BOOT_S)):
            self._awaited.discard(key)
            self._tell(key, list(self._lives[key].boots_too_long(boot_s)))
            self._kill(key, process)

    def _kill(self, key: str, first: Process) -> None:
        """Its launcher ends the rest with it."""
        mark = self._places.mark(key)
        for process in (*bearing(lambda one: one == mark), first):
            if not is_launcher(process):
                end_process(process, signal.SIGKILL)

    # -- supervisord's events

    def _hear(self) -> None:
        for event in self._events.read():
            if event.key.count(".") == 3:
                self._told(event)

    def _told(self, event: Event) -> None:
        if event.state == "STARTING":
            self._look_around()
        life = self._life(event)
        stream = self._streams.get(event.key)
        if stream and event.state in ("EXITED", "BACKOFF", "STOPPED"):
            stream.finish()
        if life.waits_for_port and event.state == "STARTING":
            self._awaited.add(event.key)
        elif event.state not in ("STARTING", "RUNNING"):
            self._awaited.discard(event.key)
        self._tell(event.key, list(life.tell(event.state, event.exit_code)))
        if event.state == "STOPPED" and stream is None:
            del self._lives[event.key]

    def _life(self, event: Event) -> Narration:
        if event.key not in self._lives:
            sheet = read_sheet(self._places, event.key)
            shown = SHOWN_AS.get(event.former, "down")
            command, has_port = sheet.get("command", ""), sheet.get("port") is not None
            self._lives[event.key] = Narration(command, has_port, sheet.get("stop_s", 30), shown)
        return self._lives[event.key]

    def _tell(self, key: str, lines: list[str]) -> None:
        app, name, _ = parts_of(key)
        stream = self._streams.get(key)
        for line in lines:
            if stream:
                stream.note(line)
            else:
                try:
                    self._store.append(app, "heroku", name, "\n".join(clean(line)))
                except OSError as error:
                    log.warning("a line about %s is lost: %s", key, error)


def main(home: str, sockets: str) -> None:
    """Logs a crash to standard error and waits a second, because supervisord restarts immediately."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    try:
        Keeper(Places(Path(home), Path(sockets))).run()
    except Exception:
        log.exception("the log keeper failed")
        time.sleep(PAUSE_AFTER_A_CRASH_S)
        sys.exit(1)


if __name__ == "__main__":
    main(*sys.argv[1:])
