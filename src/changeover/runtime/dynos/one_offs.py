"""Detached processes that run once. Their launcher stays with them and records how they ended. Not run by supervisord."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from changeover.errors import RuntimeFailed
from changeover.hosts.processes import Process, end_process
from changeover.runtime.dynos.alone import alone
from changeover.runtime.dynos.log_store import LogStore
from changeover.runtime.dynos.places import MARK, ONCE, Places, parts_of
from changeover.runtime.dynos.programs import launching, once_key, sheet_of
from changeover.runtime.dynos.remains import bearing, is_launcher, noted
from changeover.runtime.dynos.starting import start_process
from changeover.runtime.dynos.streams import read_sheet
from changeover.runtime.dynos.writing import write_whole
from changeover.runtime.runtime import Dyno, OneOff

LOOK_AGAIN_S = 0.05
PATIENCE_S = 10.0
KEPT_S = 24 * 3600.0


@dataclass(frozen=True)
class OneOffs:
    """`stop_s`: how long one may take to end when it is stopped."""

    places: Places
    logs: LogStore
    stop_s: float

    async def run(self, dyno: Dyno, output: Path | None) -> OneOff:
        """Start it, or return the one started before. A lost one is not started again."""
        self.places.make()
        key = once_key(dyno.app, dyno.name)
        async with alone(self.places.lock(f"once-{dyno.app}"), timeout_s=30):
            found = self.find(key)
            if found is None or (found.state == "lost" and not self.places.started(key).exists()):
                self._forget_old_ones()
                more = {"exit": str(self.places.exit(key)), "output": str(output) if output else None}
                self.places.make_written(key)
                self._write_sheet(key, sheet_of(dyno, key, self.places, **more))
                self.places.make_pipe(key)
                self.logs.append(dyno.app, "heroku", dyno.name, f"Starting process with command `{dyno.command}`")
                await start_process(launching(self.places.sheet(key)), {MARK: self.places.mark(key)})
                self.logs.append(dyno.app, "heroku", dyno.name, "State changed from starting to up")
                found = self.find(key)
        if found is None:
            raise RuntimeError(f"{key} was forgotten while it was started")
        return found

    def _write_sheet(self, key: str, sheet: str) -> None:
        """Puts the environment in a separate file, which the launcher removes. The rest is kept after the end."""
        values = json.loads(sheet)
        write_whole(self.places.environment(key), json.dumps(values.pop("environment")))
        write_whole(
            self.places.sheet(key), json.dumps({**values, "environment_file": str(self.places.environment(key))})
        )

    def clean_up(self) -> None:
        """Remove environments of finished one-offs that an older version kept."""
        for key in self._keys():
            sheet = read_sheet(self.places, key)
            if "environment" in sheet and self._exit_code(key) is not None:
                began = self.places.sheet(key).stat().st_mtime
                write_whole(self.places.sheet(key), json.dumps({**sheet, "environment": {}}))
                os.utime(self.places.sheet(key), (began, began))

    def find(self, key: str) -> OneOff | None:
        """The one-off's current state."""
        sheet = read_sheet(self.places, key)
        if not sheet:
            return None
        is_running, process = False, None
        if (code := self._exit_code(key)) is None:
            process = noted(self.places.started(key))
            is_running = process is not None or bool(self._all_of(key))
            code = self._exit_code(key)  # it is written before the last process ends
        app, name, _ = parts_of(key)
        return OneOff(
            app=app,
            name=name,
            state="finished" if code is not None else "running" if is_running else "lost",
            started_at=datetime.fromtimestamp(self.places.sheet(key).stat().st_mtime, UTC),
            pid=process.pid if process else None,
            exit_code=code,
            command=sheet["command"],
            release=sheet["release"],
        )

    def all(self, app: str | None) -> list[OneOff]:
        prefix = "" if app is None else f"{app}."
        found = [self.find(key) for key in self._keys() if key.startswith(prefix)]
        return [one for one in found if one]

    async def stop(self, key: str) -> None:
        """Send SIGTERM, then SIGKILL when its time is up. Returns once its exit code is known."""
        deadline = time.monotonic() + self.stop_s
        told: set[int] = set()
        while (found := self.find(key)) and found.state == "running":
            late = time.monotonic() > deadline
            for process in self._its_own(key):
                if late or process.pid not in told:
                    end_process(process, signal.SIGKILL if late else signal.SIGTERM)
                    told.add(process.pid)
            if time.monotonic() > deadline + PATIENCE_S:
                raise RuntimeFailed(f"The one-off {found.name} does not end.", why="It is still running after SIGKILL.")
            await asyncio.sleep(LOOK_AGAIN_S)

    def forget(self, key: str) -> None:
        self.places.remove(key)

    def _keys(self) -> list[str]:
        sheets = self.places.sheet("").parent.glob(f"*.{ONCE}.json")
        return sorted(path.name.removesuffix(".json") for path in sheets if not path.name.startswith("."))

    def _exit_code(self, key: str) -> int | None:
        try:
            return int(self.places.exit(key).read_text())
        except FileNotFoundError:
            return None

    def _all_of(self, key: str) -> list[Process]:
        mark = self.places.mark(key)
        return bearing(lambda one: one == mark)

    def _its_own(self, key: str) -> list[Process]:
        """All but the launcher, which has to record the end."""
        leader = noted(self.places.started(key))
        found = {process.pid: process for process in (*self._all_of(key), *([leader] if leader else []))}
        return [process for process in found.values() if not is_launcher(process)]

    def _forget_old_ones(self) -> None:
        """Remove those that ended a day ago."""
        for key in self._keys():
            ended = self.places.exit(key)
            if ended.exists() and time.time() - ended.stat().st_mtime > KEPT_S:
                self.forget(key)
