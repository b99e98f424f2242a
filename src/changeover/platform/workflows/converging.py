"""Brings an app's dynos to their wanted state after a scale, a restart, or a release (whose release phase runs first)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from changeover.errors import BootFailed, ReleaseFailed
from changeover.platform.booting import (
    abandon,
    boot_failure,
    fail_release,
    forget_former,
    go_back,
    may_keep,
    remember_failure,
    remember_former,
)
from changeover.platform.dynos import as_dynos, current_code, environment_of_release, plan, settle_ports
from changeover.platform.routing import Handover
from changeover.platform.scope import Parts
from changeover.runs.run import Advance, Outcome, Run, Step, Wait, Workflow
from changeover.runtime.ports import PortPool
from changeover.runtime.runtime import GROUPS, Applied, Dyno, Group, group_of
from changeover.store import query
from changeover.store.rows import App, DynoRow, FormationRow, Release, Slug

PHASE_S = 3600.0
LOOK_AGAIN_S = 0.2
Row = TypeVar("Row", FormationRow, DynoRow)


@dataclass(frozen=True)
class Decided:
    """The dynos that should run, and the names and ports of web dynos before and after."""

    dynos: Sequence[Dyno]
    before: Mapping[str, int]
    after: Mapping[str, int]
    release: Release
    former: int | None = None
    """The version of the web dynos that have been serving."""
    keeps_former: bool = False


class Converging:
    """The steps of `dynos` and `release`. If a release fails, the previous one keeps running."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflows(self) -> tuple[Workflow, ...]:
        apply = Step("apply", self.apply, "Start, replace and stop dynos", deadline_s=900)
        phase = Step("phase", self.phase, "Run the release phase", undo=self.fail, deadline_s=PHASE_S)
        return Workflow("dynos", (apply,)), Workflow("release", (phase, apply))

    async def phase(self, run: Run) -> Outcome:
        """Runs the Procfile's `release` process once. Its exit code decides."""
        release = await query.one(run.db, Release, "releases.by_id", id=run.input["release_id"])
        if release is None or release.status != "pending" or release.slug_id is None:
            return Advance("none")
        slug = await query.only(run.db, Slug, "slugs.find", id=release.slug_id)
        dyno = _phase_dyno(self._parts, release, slug)
        output = self._parts.release_output(release)
        output.parent.mkdir(parents=True, exist_ok=True)
        once = await self._parts.dynos.run_once(dyno, output=output)
        if once.state == "running":
            return Wait(0.3, "the release phase is running")
        if once.exit_code != 0:
            how = f"exit code {once.exit_code}" if once.state == "finished" else "an unknown result"
            version = f"v{release.version}"
            raise ReleaseFailed(
                f"The release phase of {release.app_name} {version} failed.",
                why=f"Its release command ended with {how}. The previous release keeps running.",
                fix=f"`changeover releases:output {version} -a {release.app_name}` shows its output. Fix it, then release again.",
            )
        async with run.transaction() as db:
            await query.execute(db, "releases.set_status", id=release.id, status="succeeded")
        self._parts.dynos.forget_one_off(dyno.app, dyno.name)
        return Advance("exit code 0")

    async def fail(self, run: Run) -> None:
        release = await query.one(run.db, Release, "releases.by_id", id=run.input["release_id"])
        if release is not None and release.status == "pending":
            await self._fail_phase(run, release)
        elif release is not None and (run.row.error or {}).get("id") not in (BootFailed.id, ReleaseFailed.id):
            await self._abandon(run, release)

    async def _fail_phase(self, run: Run, release: Release) -> None:
        name = f"release.{release.version}"
        await self._parts.dynos.stop_one_off(str(release.app_id), name)
        self._parts.dynos.forget_one_off(str(release.app_id), name)
        async with run.transaction() as db:
            await query.execute(db, "releases.set_status", id=release.id, status="failed")
        self._parts.logs.append(str(release.app_id), "heroku", "release", f"Release v{release.version} failed")

    async def _abandon(self, run: Run, release: Release) -> None:
        """For a full host or disk, a cancelled run, or a deadline: as after a failed boot, the previous release is current."""
        error = run.row.error or {}
        what, why = (
            f"Release v{release.version} of {release.app_name} failed: {error.get('what')}",
            error.get("why", ""),
        )
        async with run.transaction() as db:
            goes_back = await abandon(db, self._parts.cipher, release, "\n".join(filter(None, (what, why))))
        app = await query.one(run.db, App, "apps.find", key=str(release.app_id))
        if app is not None and goes_back:
            turn = asyncio.Lock()
            for group in GROUPS:
                while await self._change(run, app, group, turn) is None:  # noqa: ASYNC110 - another run is changing them
                    await asyncio.sleep(LOOK_AGAIN_S)
        self._parts.logs.append(str(release.app_id), "heroku", "release", " ".join(f"{what} {why}".split()))

    async def apply(self, run: Run) -> Outcome:
        """Changes web dynos and the others concurrently, so that a new worker does not wait for slowly booting web dynos.

        If web dynos don't come up, a second pass reverts the others to the release that serves. Raises BootFailed.
        """
        app = await query.one(run.db, App, "apps.find", key=run.input["app_id"])
        if app is None:
            return Advance("the app is gone")
        turn = asyncio.Lock()  # the state connection has one transaction at a time
        ended = await asyncio.gather(*(self._change(run, app, group, turn) for group in GROUPS), return_exceptions=True)
        for failure in ended:
            if isinstance(failure, BaseException):
                raise failure
        applied = [one for one in ended if isinstance(one, Applied)]
        if len(applied) < len(GROUPS):
            return Wait(LOOK_AGAIN_S, "another run is changing its dynos")
        if any(one.is_undone for one in applied):
            while await self._change(run, app, "others", turn) is None:  # noqa: ASYNC110 - another process is changing them
                await asyncio.sleep(LOOK_AGAIN_S)
        await _raise_if_failed(run, app, applied)
        return Advance(_told(applied))

    async def _change(self, run: Run, app: App, group: Group, turn: asyncio.Lock) -> Applied | None:
        """None while another run is changing these."""
        whose = {"app_id": str(app.id), "group": group}
        async with turn:
            [is_ours] = await query.values(run.db, "formation.try_lock", **whose)
        if not is_ours:
            return None
        try:
            async with turn:
                decided = await self._decide(run, app, group)
            if decided is None:
                return Applied()
            applied = await self._bring_about(app, group, decided)
            if group == "web":
                async with turn:
                    await self._conclude(run, app, decided, applied)
            return applied
        finally:
            async with turn:
                if not run.db.closed:
                    await query.values(run.db, "formation.unlock", **whose)

    async def _bring_about(self, app: App, group: Group, decided: Decided) -> Applied:
        handover = Handover(self._parts, app, decided.before, decided.after)
        is_routed = group == "web"
        if is_routed:
            handover.begin()
        applied = await self._parts.dynos.apply(
            str(app.id), decided.dynos, group=group, when_ready=handover.ready,
            ready_timeout_s=self._parts.boot_timeout_s, keeps_former=decided.keeps_former,
        )  # fmt: skip
        if is_routed:
            handover.end(decided.before if applied.is_undone else decided.after)
        return applied

    async def _conclude(self, run: Run, app: App, decided: Decided, applied: Applied) -> None:
        """Forgets the previous dynos, or makes them wanted again. A release that does not boot has failed."""
        has_failed = bool(applied.not_ready) and (
            decided.release.version != decided.former if applied.is_undone else _is_first(run, decided)
        )
        is_left = decided.former not in (None, decided.release.version)
        is_down = bool(applied.not_ready) and is_left and not decided.keeps_former
        serving = decided.former if applied.is_undone else None
        failure = boot_failure(self._parts, app, applied.not_ready, decided.release, serving)
        async with run.transaction() as db:
            if applied.is_undone:
                await go_back(db, app.id)
            else:
                await forget_former(db, app.id)
            if has_failed:
                await fail_release(db, decided.release, failure.message)
            elif is_down:
                await remember_failure(db, decided.release, failure.message)
        if has_failed or is_down or applied.is_undone:
            self._parts.logs.append(str(app.id), "heroku", "release", failure.what + " " + failure.why)

    async def _decide(self, run: Run, app: App, group: Group) -> Decided | None:
        """Decide and store the group's wanted dynos. None before the first deploy, and when the app is gone."""
        async with run.transaction() as db:
            now, code = await query.one(db, App, "apps.find", key=str(app.id)), await current_code(db, app.id)
            if now is None or code is None:
                return None
            formation = _of(group, await query.rows(db, FormationRow, "formation.of_app", app_id=app.id))
            known = _of(group, await query.rows(db, DynoRow, "formation.dynos", app_id=app.id))
            pool = PortPool(tuple(now.ports))
            former: list[DynoRow] = []
            if group == "web":
                living = await self._parts.dynos.ports(str(app.id))
                former = await remember_former(db, app.id, known, code.release, living)
                own = {row.port for row in known if row.port is not None}
                in_use = {*living, *own, *(row.port for row in former if row.port is not None)}
                wanted = sum(row.quantity for row in formation)
                pool = await settle_ports(
                    db, self._parts, now, wanted, leftovers=len(in_use - own), in_use=in_use
                )  # fmt: skip
            rows = plan(known, formation, code, lambda count, in_use: pool.pick(count, in_use=in_use))
            for row in rows:
                await query.execute(
                    db, "formation.put_dyno",
                    app_id=row.app_id, name=row.name, type=row.type, port=row.port, release=row.release,
                    restarts=row.restarts, is_stopped=row.is_stopped,
                )  # fmt: skip
            gone = {row.name for row in known} - {row.name for row in rows}
            await query.execute(db, "formation.remove_dynos", app_id=app.id, gone=list(gone))
            sizes = {row.type: row.size for row in formation}
            serving = [row for row in former if not row.is_stopped]
            return Decided(
                as_dynos(self._parts, app, rows, sizes, code), _web(serving), _web(rows), code.release,
                former=max((row.release for row in serving), default=None),
                keeps_former=group == "web" and await may_keep(db, self._parts.cipher, app.id, former),
            )  # fmt: skip


def _is_first(run: Run, decided: Decided) -> bool:
    """Whether the run brings a first release, before which no other served.

    An interrupted attempt may have left dynos of the same release.
    """
    is_of_run = run.input.get("release_id") == str(decided.release.id)
    return is_of_run and decided.former in (None, decided.release.version)


async def _raise_if_failed(run: Run, app: App, applied: Sequence[Applied]) -> None:
    """Raises if the run's dynos did not come up, now or in an interrupted attempt."""
    said = await query.values(run.db, "boots.failure", release_id=run.input.get("release_id"))
    undone = [name for one in applied if one.is_undone for name in one.not_ready]
    if said or undone:
        what = said[0] if said else f"{', '.join(undone)} of {app.name} did not start. The previous dynos keep serving."
        raise BootFailed(
            what.splitlines()[0],
            why="\n".join(what.splitlines()[1:]),
            fix="" if said else f"See its output with `changeover logs -a {app.name} -p web`.",
        )


def _of(group: Group, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if group_of(row.type) == group]


def _told(applied: Sequence[Applied]) -> str:
    started, stopped, kept = (
        sum(len(getattr(one, what)) for one in applied) for what in ("started", "stopped", "kept")
    )
    not_ready = [name for one in applied for name in one.not_ready]
    crashed = f"; not ready: {', '.join(not_ready)}" if not_ready else ""
    return f"{started} started, {stopped} stopped, {kept} kept{crashed}"


def _web(rows: Sequence[DynoRow]) -> dict[str, int]:
    return {row.name: row.port for row in rows if row.port is not None and not row.is_stopped}


def _phase_dyno(parts: Parts, release: Release, slug: Slug) -> Dyno:
    return Dyno(
        app=str(release.app_id), name=f"release.{release.version}", type="release", command=slug.commands["release"],
        directory=Path(slug.directory), environment=environment_of_release(parts, release), release=release.version,
    )  # fmt: skip
