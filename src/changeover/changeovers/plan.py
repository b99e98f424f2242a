"""The plan of a changeover: what it will do, its findings, which clients it rejects, how long its pause will be."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import Any

from changeover.changeovers.checks.finding import Finding, counts_of
from changeover.changeovers.checks.ours import finding
from changeover.changeovers.holds.registry import OF_DATABASES, holds
from changeover.changeovers.predict import Looked, Prediction, predict
from changeover.changeovers.sessions import counted_by_client
from changeover.engines.engine import Behind, Server
from changeover.engines.passage import Traffic
from changeover.errors import InvalidParams, NotFound, ServerUnreachable
from changeover.platform.apps import find_app
from changeover.platform.attachments import attachments_to
from changeover.platform.catalogue import Plan as CataloguePlan
from changeover.platform.leaders import find_leader
from changeover.platform.resolving import resolve_addon
from changeover.platform.scope import Scope
from changeover.platform.servers import server_of
from changeover.store import query
from changeover.store.rows import Addon, App, Database


@dataclass(frozen=True)
class ChangeoverPlan:
    """Everything known beforehand. Exactly one of `new_plan` and `target`: what is made, or what is there."""

    app: App
    """The one that will own the target."""
    source: Addon
    new_plan: CataloguePlan | None
    target: Addon | None
    hold: str
    hold_says: str
    apps: tuple[str, ...]
    """Every app with an attachment of the source."""
    findings: tuple[Finding, ...]
    rejected: tuple[str, ...]
    """Client sessions that bypass the poolers. The fence will end them."""
    prediction: Prediction

    def as_dict(self) -> dict[str, Any]:
        return {
            "app": self.app.name,
            "source": self.source.name,
            "source_plan": f"{self.source.service}:{self.source.plan}",
            "target": self.target.name if self.target else None,
            "plan": self.new_plan.full_name if self.new_plan else None,
            "hold": self.hold,
            "hold_says": self.hold_says,
            "apps": list(self.apps),
            "findings": [asdict(finding) for finding in self.findings],
            "counts": counts_of(self.findings),
            "rejected": list(self.rejected),
            "predicted_pause_s": round(self.prediction.seconds, 2),
            "prediction_because": self.prediction.because,
            "prediction_parts": [asdict(part) for part in self.prediction.parts],
            "prediction_remarks": list(self.prediction.remarks),
        }


async def plan_changeover(scope: Scope, *, app_key: str, source_key: str, to: str, hold: str) -> ChangeoverPlan:
    """Raises NotFound, Forbidden, NotFollowable, NotAvailable, InvalidParams for what can't be planned at all."""
    if hold not in OF_DATABASES:
        raise InvalidParams(f"--hold {hold} is not known.", fix="Write --hold maintenance or --hold pooled.")
    app = await find_app(scope, app_key)
    new_plan, target = await _where_to(scope, app, to)
    leader = await _source_database(scope, app, source_key, new_plan, target)
    source = await query.only(scope.db, Addon, "addons.find", key=str(leader.addon_id))
    server = await server_of(scope.db, leader.server_name)
    mine = list(await attachments_to(scope.db, source.id))
    look = await _look(scope, server, leader)
    way = holds(scope.parts)[hold]
    findings = (
        *_of_server(look),
        *await _of_target(scope, target, leader),
        *await _of_followers(scope, source),
        *await way.plan(scope, source, mine),
    )
    prediction = await predict(scope, Looked(hold, mine, leader, target, look.traffic if look else None))
    return ChangeoverPlan(
        app=app, source=source, new_plan=new_plan, target=target, hold=hold, hold_says=way.says,
        apps=tuple(sorted({one.app_name for one in mine})), findings=findings,
        rejected=look.direct if look else (), prediction=prediction,
    )  # fmt: skip


async def _where_to(scope: Scope, app: App, to: str) -> tuple[CataloguePlan | None, Addon | None]:
    """A plan's name, with or without its service, or a follower."""
    service = scope.parts.catalogue.service.name
    with contextlib.suppress(NotFound):
        return scope.parts.catalogue.plan(to if ":" in to else f"{service}:{to}", in_space=bool(app.space_id)), None
    try:
        return None, await resolve_addon(scope, to, app.name)
    except NotFound as error:
        raise NotFound(
            f"{to} is neither a plan nor a follower.",
            why=f"{app.name} has no attachment, and you see no add-on, of that name.",
            fix=f"`changeover addons:plans {service}` lists plans; `changeover pg:info -a {app.name}`, databases.",
            resource=error.resource,
        ) from error


async def _source_database(
    scope: Scope, app: App, source_key: str, new_plan: CataloguePlan | None, target: Addon | None
) -> Database:
    if new_plan is not None:
        return await find_leader(scope, app, new_plan, source_key)
    assert target is not None  # noqa: S101 - one of both is given
    plan = scope.parts.catalogue.plan_of(target.service, target.plan)
    return await find_leader(scope, app, plan, source_key)


@dataclass(frozen=True)
class _Look:
    """What the source's server said."""

    traffic: Traffic
    direct: tuple[str, ...]
    longest_transaction: str
    longest_s: float
    prepared: tuple[str, ...]
    unknown_workers: tuple[str, ...]


async def _look(scope: Scope, server: Server, leader: Database) -> _Look | None:
    try:
        async with scope.asking():
            traffic = await scope.parts.engine.traffic(server, leader.database_name)
    except ServerUnreachable:
        return None
    return _Look(
        traffic=traffic,
        direct=tuple(counted_by_client(traffic.direct)),
        longest_transaction=str(traffic.in_transaction[0]) if traffic.in_transaction else "",
        longest_s=traffic.in_transaction[0].transaction_s if traffic.in_transaction else 0.0,
        prepared=traffic.prepared,
        unknown_workers=tuple(str(one) for one in traffic.workers),
    )


def _of_server(look: _Look | None) -> list[Finding]:
    if look is None:
        return [finding("source_answers", "failed", "The source does not answer.", "See `changeover pg:info`.")]
    checks = [finding("source_answers", "passed", "The source answers.")]
    if look.prepared:
        listed = ", ".join(look.prepared)
        checks.append(
            finding("prepared_transactions", "warning", f"Prepared transactions go along undecided: {listed}.")
        )
    if look.unknown_workers:
        checks.append(
            finding(
                "background_workers", "warning", f"Background workers will be ended: {', '.join(look.unknown_workers)}."
            )
        )
    if look.longest_s > 1:
        checks.append(
            finding(
                "long_transactions", "warning",
                f"An open transaction would be waited for: {look.longest_transaction}.",
                "Let it end before the pause, or end it: `changeover pg:kill PID`.",
            )
        )  # fmt: skip
    return checks


async def _of_target(scope: Scope, target: Addon | None, leader: Database) -> list[Finding]:
    if target is None:
        return []
    database = await query.one(scope.db, Database, "databases.find", addon_id=target.id)
    if database is None or database.leader_id != leader.addon_id:
        return [
            finding(
                "target_follows", "failed", f"{target.name} is not a follower of {leader.addon_name}.",
                "Name a plan (a follower of it is made), or one of its followers.",
            )
        ]  # fmt: skip
    behind: Behind | None = None
    try:
        servers = await server_of(scope.db, database.server_name), await server_of(scope.db, leader.server_name)
        async with scope.asking():
            behind = await scope.parts.engine.behind(*servers)
    except ServerUnreachable:
        pass
    if behind is None or behind.is_lost:
        return [
            finding(
                "target_follows", "failed", f"{target.name} can't catch up, or does not answer.",
                f"`changeover pg:info {target.name}` says more.",
            )
        ]  # fmt: skip
    return [finding("target_follows", "passed", f"{target.name} follows, {behind.commits or 0} commits behind.")]


async def _of_followers(scope: Scope, source: Addon) -> list[Finding]:
    others = [one.addon_name for one in await query.rows(scope.db, Database, "databases.followers", addon_id=source.id)]
    if not others:
        return []
    says = f"Followers of the source continue to follow it, not the target: {', '.join(others)}."
    return [finding("other_followers", "warning", says, "Make new ones afterwards.")]
