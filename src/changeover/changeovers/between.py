"""Changeovers between two addresses: begin one or continue it, find it by its two ends, abort it."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg.types.json import Jsonb

from changeover.changeovers.ends.addresses import label, location_named, mark_of, require_two, subject_of
from changeover.changeovers.holds.hooks import HOOKS
from changeover.changeovers.methods.snapshot.continuing import change_options
from changeover.changeovers.methods.snapshot.options import Options, SnapshotOptions
from changeover.changeovers.requests import Changeover, abort, find_changeover
from changeover.changeovers.timing import AT_ONCE
from changeover.errors import Forbidden, NotFound
from changeover.platform.scope import Scope
from changeover.postgres.location import Location
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow

KIND, WHAT, METHOD = "migrate", "migration", "snapshot"


async def begin(scope: Scope, source: str, target: str, options: Options) -> Changeover:
    """Start it; or go on with the caller's between the same two databases that is under way, with options that differ.

    Raises BadAddress, NotFound, Forbidden (commands are run on this host, so only its operator may give them), RunConflict,
    InvalidParams, and NotAvailable for an option that can't change any more.
    """
    _require_operator(scope, options)
    ends = await ends_named(scope, source, target)
    cipher = scope.parts.cipher
    urls = {"source_url": cipher.encrypt(ends[0].url), "target_url": cipher.encrypt(ends[1].url)}
    former = await _unfinished(scope, *ends)
    if former is not None:
        found = await find_changeover(scope, former.run_id, WHAT)
        await change_options(scope, found.run, options)
        await query.execute(scope.db, "changeovers.continue", run_id=former.run_id, **urls)
        scope.started.append(found.run)
        return await find_changeover(scope, former.run_id, WHAT)
    asked = SnapshotOptions.of(options)
    run = await start_run(
        scope.db, kind=KIND, first_step="check", subject=await subject_of(scope, label(ends[1])), app=None,
        account_id=scope.caller.id, host=scope.parts.host,
        given={"account_id": str(scope.caller.id)},
    )  # fmt: skip
    await query.execute(
        scope.db, "changeovers.add_between_addresses",
        run_id=run.id, method=METHOD, mark=mark_of(*ends, scope.caller.id), **urls,
        source_name=str(ends[0]), target_name=str(ends[1]),
        hold=asked.hold, options=Jsonb(asked.as_dict()),
        hooks=asked.hooks.sealed(cipher), go_at=AT_ONCE,
    )  # fmt: skip
    scope.started.append(run)
    return await find_changeover(scope, run.id, WHAT)


async def ends_named(scope: Scope, source: str, target: str) -> tuple[Location, Location]:
    """Both ends. Raises BadAddress, also where both are the same database; NotFound."""
    ends = await location_named(scope, source), await location_named(scope, target)
    require_two(*ends)
    return ends


@dataclass(frozen=True)
class Between:
    """The caller's migrations between two databases."""

    under_way: ChangeoverRow | None
    finished: ChangeoverRow | None
    """The last that was done; None while another one is under way."""


async def between(scope: Scope, source: str, target: str) -> Between:
    """Raises BadAddress, NotFound."""
    ends = await location_named(scope, source), await location_named(scope, target)
    return Between(await _unfinished(scope, *ends), await _of_caller(scope, "changeovers.finished_between", *ends))


async def _unfinished(scope: Scope, source: Location, target: Location) -> ChangeoverRow | None:
    return await _of_caller(scope, "changeovers.unfinished_between", source, target)


async def _of_caller(scope: Scope, statement: str, source: Location, target: Location) -> ChangeoverRow | None:
    marks = [mark_of(source, target, scope.caller.id), mark_of(source, target)]
    return await query.one(scope.db, ChangeoverRow, statement, marks=marks, account_id=scope.caller.id)


async def abort_between(scope: Scope, source: str, target: str) -> Changeover:
    """The one between these two that is under way. Raises NotFound."""
    former = (await between(scope, source, target)).under_way
    if former is None:
        raise NotFound(
            "No migration between these two is under way.", fix="`changeover migrations` lists what there was."
        )
    return await abort(scope, former.run_id, WHAT)


def _require_operator(scope: Scope, options: Options) -> None:
    if any(options.get(name) for name in HOOKS) and not scope.caller.is_operator:
        raise Forbidden(
            "Only the operator may give commands to run.",
            why="They are run on the control plane's host, as the user that it runs as.",
            fix="Ask the operator, or say --hold none or --hold read-only.",
        )
