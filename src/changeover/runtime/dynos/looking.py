"""Lists dynos and their states. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from changeover.hosts.processes import Process
from changeover.runtime.dynos.listening import listens
from changeover.runtime.dynos.narration import SHOWN_AS
from changeover.runtime.dynos.places import Places, parts_of
from changeover.runtime.dynos.plan import Present
from changeover.runtime.dynos.programs import KEEPER
from changeover.runtime.dynos.remains import noted
from changeover.runtime.dynos.rpc import Supervisor
from changeover.runtime.dynos.streams import read_sheet
from changeover.runtime.runtime import DynoState, State

STANDING_STILL = ("STOPPED", "STOPPING", "FATAL", "UNKNOWN")
EXIT_STATUS = "exit status "


@dataclass(frozen=True)
class Looking:
    """Combines supervisord's list of running programs with the files of wanted ones."""

    places: Places
    supervisor: Supervisor

    async def infos(self, app: str | None = None) -> dict[str, dict[str, Any]]:
        """supervisord's information about each dyno. Raises RuntimeFailed."""
        infos: list[dict[str, Any]] = await self.supervisor.call("getAllProcessInfo")
        dynos = {info["name"]: info for info in infos if info["name"] != KEEPER}
        return {key: info for key, info in dynos.items() if app in (None, parts_of(key)[0])}

    async def present(self, app: str) -> list[Present]:
        """All dynos to keep, replace or end, including those that a crash left unfinished."""
        infos = await self.infos(app)
        return [
            Present(
                key,
                port=read_sheet(self.places, key).get("port"),
                is_stopped=key not in infos or infos[key]["statename"] in STANDING_STILL,
            )
            for key in sorted({*infos, *self._wanted(app)})
        ]

    async def states(self, app: str | None) -> list[DynoState]:
        """One for each name: the one whose sheet is the newest."""
        infos = await self.infos(app)
        newest: dict[tuple[str, str], tuple[int, DynoState]] = {}
        for key in self._wanted(app):
            sheet = read_sheet(self.places, key)
            state = _state(sheet, infos.get(key), noted(self.places.started(key))) if sheet else None
            if state is None:
                continue
            known = newest.get((state.app, state.name))
            if known is None or sheet["written_ns"] >= known[0]:
                newest[state.app, state.name] = (sheet["written_ns"], state)
        return [newest[name][1] for name in sorted(newest, key=_in_order)]

    def _wanted(self, app: str | None) -> list[str]:
        """Dynos with a program file. A dyno that is being ended no longer has one."""
        files = self.places.program("").parent.glob("*.conf" if app is None else f"{app}.*.conf")
        return [path.name.removesuffix(".conf") for path in files if not path.name.startswith(".")]


def _state(sheet: dict[str, Any], info: dict[str, Any] | None, process: Process | None) -> DynoState:
    state, since, pid, code = _judge(info, process.pid if process else None, sheet["port"])
    return DynoState(
        app=sheet["app"],
        name=sheet["name"],
        state=state,
        since=datetime.fromtimestamp(since or sheet["written_ns"] / 1e9, UTC),
        pid=pid,
        release=sheet["release"],
        exit_code=code,
        port=sheet["port"],
    )


def _judge(info: dict[str, Any] | None, pid: int | None, port: int | None) -> tuple[State, int, int | None, int | None]:
    """State, start time (seconds; 0 if unknown), pid, exit code. supervisord's own pid is the launcher's."""
    if info is None:
        return "down", 0, None, None
    name = SHOWN_AS.get(info["statename"], "down")
    if info["pid"] and name in ("up", "starting"):
        is_up = (pid is not None and listens(pid, port)) if port else name == "up"
        return ("up" if is_up else "starting"), info["start"], pid, None
    said = str(info["spawnerr"])
    code = int(said.removeprefix(EXIT_STATUS)) if said.startswith(EXIT_STATUS) else None
    return ("crashed" if name == "crashed" else "down"), info["stop"], None, code


def _in_order(name: tuple[str, str]) -> tuple[str, str, int]:
    """Sorts web.2 before web.10."""
    kind, _, number = name[1].rpartition(".")
    return name[0], kind, int(number)
