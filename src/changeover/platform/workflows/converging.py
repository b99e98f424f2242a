"""Makes an app's dynos what they should be: after a scale, a restart, or a release (whose phase runs first)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from changeover.errors import ReleaseFailed
from changeover.platform.dynos import Code, as_dynos, current_code, environment_of_release, plan, settle_ports
from changeover.platform.routing import Handover
from changeover.platform.scope import Parts
from changeover.runs.run import Advance, Outcome, Run, Step, Wait, Workflow
from changeover.runtime.runtime import Dyno
from changeover.store import query
from changeover.store.rows import App, DynoRow, FormationRow, Release, Slug

PHASE_S = 3600.0
BOOT_S = 60.0


class Converging:
    """The steps of `dynos` and of `release`. A release that fails leaves the former one running."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflows(self) -> tuple[Workflow, ...]:
        apply = Step("apply", self.apply, "Start, replace and stop dynos", deadline_s=900)
        phase = Step("phase", self.phase, "Run the release phase", undo=self.fail, deadline_s=PHASE_S)
        return Workflow("dynos", (apply,)), Workflow("release", (phase, apply))

    async def phase(self, run: Run) -> Outcome:
        """Runs the `release` process of the Procfile once; its exit code decides."""
        release = await query.one(run.db, Release, "releases.by_id", id=run.input["release_id"])
        if release is None or release.status != "pending" or release.slug_id is None:
            return Advance("none")
        slug = await query.only(run.db, Slug, "slugs.find", id=release.slug_id)
        dyno = _phase_dyno(self._parts, release, slug)
        output = self._parts.release_output(release)
        output.parent.mkdir(parents=True, exist_ok=True)
        once = await self._parts.dynos.run_once(dyno, output=output)
        if once.state == "running":
            return Wait(0.3, "the release phase runs")
        if once.exit_code != 0:
            how = f"exit code {once.exit_code}" if once.state == "finished" else "nobody saw how"
            version = f"v{release.version}"
            raise ReleaseFailed(
                f"The release phase of {release.app_name} {version} failed.",
                why=f"Its release command ended with {how}; the former release runs on.",
                fix=f"`changeover releases:output {version} -a {release.app_name}` shows what it said; mend it, release again.",
            )
        async with run.transaction() as db:
            await query.execute(db, "releases.set_status", id=release.id, status="succeeded")
        self._parts.dynos.forget_one_off(dyno.app, dyno.name)
        return Advance("exit code 0")

    async def fail(self, run: Run) -> None:
        release = await query.one(run.db, Release, "releases.by_id", id=run.input["release_id"])
        if release is None or release.status != "pending":
            return
        name = f"release.{release.version}"
        await self._parts.dynos.stop_one_off(str(release.app_id), name)
        self._parts.dynos.forget_one_off(str(release.app_id), name)
        async with run.transaction() as db:
            await query.execute(db, "releases.set_status", id=release.id, status="failed")
        self._parts.logs.append(str(release.app_id), "heroku", "release", f"Release v{release.version} failed")

    async def apply(self, run: Run) -> Outcome:
        app = await query.one(run.db, App, "apps.find", key=run.input["app_id"])
        if app is None:
            return Advance("the app is gone")
        [is_ours] = await query.values(run.db, "formation.try_lock_app", app_id=str(app.id))
        if not is_ours:
            return Wait(0.2, "another run changes its dynos")
        try:
            return await self._apply(run, app)
        finally:
            if not run.db.closed:
                await query.values(run.db, "formation.unlock_app", app_id=str(app.id))

    async def _apply(self, run: Run, app: App) -> Outcome:
        code = await current_code(run.db, app.id)
        if code is None:
            return Advance("no code")
        before = await query.rows(run.db, DynoRow, "formation.dynos", app_id=app.id)
        rows, sizes = await self._decide(run, app, code)
        handover = Handover(self._parts, app, _web(before), _web(rows))
        handover.begin()
        applied = await self._parts.dynos.apply(
            str(app.id),
            as_dynos(self._parts, app, rows, sizes, code),
            when_ready=handover.ready,
            ready_timeout_s=BOOT_S,
        )
        handover.end(_web(rows))
        crashed = f"; not ready: {', '.join(applied.not_ready)}" if applied.not_ready else ""
        return Advance(
            f"{len(applied.started)} started, {len(applied.stopped)} stopped, {len(applied.kept)} kept{crashed}"
        )

    async def _decide(self, run: Run, app: App, code: Code) -> tuple[list[DynoRow], dict[str, str]]:
        async with run.transaction() as db:
            formation = await query.rows(db, FormationRow, "formation.of_app", app_id=app.id)
            known = await query.rows(db, DynoRow, "formation.dynos", app_id=app.id)
            web = sum(row.quantity for row in formation if row.type == "web")
            pool = await settle_ports(db, self._parts, app, web)
            rows = plan(known, formation, code, lambda count, in_use: pool.pick(count, in_use=in_use))
            for row in rows:
                await query.execute(
                    db, "formation.put_dyno",
                    app_id=row.app_id, name=row.name, type=row.type, port=row.port, release=row.release,
                    restarts=row.restarts, is_stopped=row.is_stopped,
                )  # fmt: skip
            await query.execute(db, "formation.remove_dynos", app_id=app.id, kept=[row.name for row in rows])
        return rows, {row.type: row.size for row in formation}


def _web(rows: Sequence[DynoRow]) -> dict[str, int]:
    return {row.name: row.port for row in rows if row.port is not None and not row.is_stopped}


def _phase_dyno(parts: Parts, release: Release, slug: Slug) -> Dyno:
    return Dyno(
        app=str(release.app_id), name=f"release.{release.version}", type="release", command=slug.commands["release"],
        directory=Path(slug.directory), environment=environment_of_release(parts, release), release=release.version,
    )  # fmt: skip
