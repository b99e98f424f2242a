"""LocalDynos: the verbs for apps' processes on this host. The work is done in the files beside this one."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

from changeover.hosts.processes import end_all, wait_until_gone
from changeover.hosts.programs import run_or_fail
from changeover.runtime.dynos import supervising
from changeover.runtime.dynos.alone import alone
from changeover.runtime.dynos.attaching import attached
from changeover.runtime.dynos.changing import Changing, WhenReady, side_by_side
from changeover.runtime.dynos.ending import Ending
from changeover.runtime.dynos.log_store import LogStore
from changeover.runtime.dynos.looking import Looking
from changeover.runtime.dynos.one_offs import OneOffs
from changeover.runtime.dynos.places import SAFE_NAME, Places, parts_of
from changeover.runtime.dynos.plan import plan
from changeover.runtime.dynos.programs import key_of, once_key
from changeover.runtime.dynos.remains import kill, running_as
from changeover.runtime.dynos.rpc import Supervisor
from changeover.runtime.runtime import GROUPS, Applied, Dyno, DynoState, Group, OneOff, Session, group_of

STOP_S = 30.0
STARTING_S = 60.0


class LocalDynos:
    """Dynos of the installation at `home`, run as `run_as` when we are root. `stop_s`: how long they may take to end.

    `logs` has their lines and those of others.
    """

    def __init__(self, home: Path, sockets: Path, *, run_as: str | None = None, stop_s: float = STOP_S) -> None:
        self._places = Places(home.absolute(), sockets.absolute(), run_as)
        self._supervisor = Supervisor(self._places.socket)
        self._ending = Ending(self._places, self._supervisor, stop_s)
        self._looking = Looking(self._places, self._supervisor)
        self.logs = LogStore(self._places.app_logs)
        self._one_offs = OneOffs(self._places, self.logs, stop_s)

    # -- the supervisor

    async def start(self) -> None:
        self._one_offs.clean_up()
        await supervising.start(self._places, self._supervisor)

    async def is_alive(self) -> bool:
        return await self._supervisor.identity() == self._places.identity

    async def until_down(self) -> None:
        for process in await asyncio.to_thread(supervising.supervisors, self._places):
            await wait_until_gone(process)

    async def silent_process(self) -> int | None:
        if await self._supervisor.identity() is not None:
            return None  # it answers, for another installation
        return next((one.pid for one in await asyncio.to_thread(supervising.supervisors, self._places)), None)

    async def stop(self) -> None:
        if not self._places.folder.exists():
            return
        running = [one for one in self._one_offs.all(None) if one.state == "running"]
        await side_by_side(*(self.stop_one_off(one.app, one.name) for one in running))
        async with alone(self._places.lock("supervisord"), timeout_s=STARTING_S):
            if await self.is_alive():
                await side_by_side(*(self._ending.take_down(key) for key in await self._looking.infos()))
            await end_all(lambda: supervising.supervisors(self._places), gently=signal.SIGTERM)
            await supervising.end_strays(self._places)
            await supervising.end_everything_left(self._places)

    # -- the formation

    async def apply(
        self,
        app: str,
        wanted: Sequence[Dyno],
        *,
        group: Group | None = None,
        when_ready: WhenReady | None = None,
        ready_timeout_s: float = 60,
        keeps_former: bool = False,
    ) -> Applied:
        dynos = {key_of(dyno): dyno for dyno in wanted}
        groups = (group,) if group else GROUPS
        if len({dyno.name for dyno in wanted}) < len(wanted) or any(
            dyno.app != app or group_of(dyno.type) not in groups for dyno in wanted
        ):
            raise ValueError(f"not dynos of {app} ({group or 'all'}), or the same name twice")
        self._places.make()
        patience_s = ready_timeout_s + self._ending.stop_s
        async with AsyncExitStack() as held:
            for one in groups:
                await held.enter_async_context(alone(self._places.lock(f"app-{app}-{one}"), timeout_s=patience_s))
            present = [one for one in await self._looking.present(app) if group_of(_type_of(one.key)) in groups]
            todo = plan({key: dyno.port for key, dyno in dynos.items()}, present)
            return await Changing(self._ending, dynos, when_ready, ready_timeout_s, keeps_former).carry_out(todo)

    async def states(self, app: str | None = None) -> list[DynoState]:
        return await self._looking.states(app)

    async def ports(self, app: str) -> frozenset[int]:
        return frozenset(one.port for one in await self._looking.present(app) if one.port is not None)

    # -- one-offs

    async def run_once(self, dyno: Dyno, *, output: Path | None = None) -> OneOff:
        return await self._one_offs.run(dyno, output)

    def one_off(self, app: str, name: str) -> OneOff | None:
        return self._one_offs.find(once_key(app, name)) if SAFE_NAME.fullmatch(name) else None

    def one_offs(self, app: str | None = None) -> list[OneOff]:
        return self._one_offs.all(app)

    async def stop_one_off(self, app: str, name: str) -> None:
        await self._one_offs.stop(once_key(app, name))

    def forget_one_off(self, app: str, name: str) -> None:
        self._one_offs.forget(once_key(app, name))

    async def forget(self, app: str) -> None:
        for one in self.one_offs(app):
            if one.state == "running":
                await self.stop_one_off(app, one.name)
            self.forget_one_off(app, one.name)
        user = self._places.users.known(app)
        if user is not None:
            await kill(lambda: running_as({user}, self._places.identity))
        if self._places.of_app(app).exists():
            await run_or_fail([Path("/bin/rm"), "-rf", "--one-file-system", "--", self._places.of_app(app)])
        self._places.users.forget(app)

    def attached(
        self, dyno: Dyno, *, columns: int = 80, rows: int = 24, tty: bool = True
    ) -> AbstractAsyncContextManager[Session]:
        return attached(self._places, self.logs, dyno, columns=columns, rows=rows, tty=tty)


def _type_of(key: str) -> str:
    return parts_of(key)[1].rpartition(".")[0]
