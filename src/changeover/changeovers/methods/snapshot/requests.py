"""What people can do with migrations: begin one or go on with it, look at it, call it off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.types.json import Jsonb

from changeover.changeovers.ends.addresses import label, location_named, mark_of, require_two, subject_of
from changeover.changeovers.methods.snapshot.continuing import change_options
from changeover.changeovers.methods.snapshot.options import HOOKS, Options, Wish, held_since, sealed
from changeover.errors import ChangeoverError, Forbidden, NotAvailable, NotFound
from changeover.platform.progress import find_visible_run, visible_runs
from changeover.platform.scope import Scope
from changeover.postgres.location import Location
from changeover.runs.starting import cancel_run, start_run
from changeover.store import query
from changeover.store.move_rows import MigrationRow
from changeover.store.rows import RunRow

MOST_LISTED = 50
KIND = "migrate"


@dataclass(frozen=True)
class Seen:
    """A migration and its run."""

    row: MigrationRow
    run: RunRow


def stopped_of(seen: Seen) -> dict[str, Any] | None:
    """Why it stopped, as an error's body, with who waits meanwhile and what to do about that. None while it goes on."""
    row, run = seen.row, seen.run
    if row.stopped is None or run.finished_at is not None:
        return row.stopped
    since = held_since(row)
    if since is None:
        return row.stopped
    fix = [str(row.stopped["fix"]), f"The source's writers have been held since {since:%Y-%m-%d %H:%M:%S} UTC."]
    if run.is_past_return:
        fix.append("The same command goes on from here.")
    else:
        fix.append("The same command goes on from here; with --abort they write again, and what was made is removed.")
    error = ChangeoverError(str(row.stopped["what"]), why=str(row.stopped["why"]), fix=" ".join(filter(None, fix)))
    return {**row.stopped, "fix": error.fix, "message": error.message}


async def begin(scope: Scope, source: str, target: str, options: Options) -> Seen:
    """Start it; or go on with the caller's between the same two databases that is under way, with options that differ.

    Raises BadAddress, NotFound, Forbidden (commands are run on this host, so only its operator may give them), RunConflict,
    InvalidParams, and NotAvailable for an option that can't change any more.
    """
    _require_operator(scope, options)
    ends = await location_named(scope, source), await location_named(scope, target)
    require_two(*ends)
    cipher = scope.parts.cipher
    urls = {"source_url": cipher.encrypt(ends[0].url), "target_url": cipher.encrypt(ends[1].url)}
    former = await _unfinished(scope, *ends)
    if former is not None:
        seen = await find_migration(scope, former.run_id)
        await change_options(scope, seen.row, seen.run, options)
        await query.execute(scope.db, "migrations.go_on", run_id=former.run_id, **urls)
        scope.started.append(seen.run)
        return await find_migration(scope, former.run_id)
    wish = Wish.of(options)
    run = await start_run(
        scope.db, kind=KIND, first_step="check", subject=await subject_of(scope, label(ends[1])), app=None,
        account_id=scope.caller.id, host=scope.parts.host,
        given={"account_id": str(scope.caller.id)},
    )  # fmt: skip
    await query.execute(
        scope.db, "migrations.add",
        run_id=run.id, mark=mark_of(*ends, scope.caller.id), **urls, source_name=str(ends[0]), target_name=str(ends[1]),
        wish=Jsonb(wish.as_dict()), hooks=sealed(wish.hooks, cipher),
    )  # fmt: skip
    scope.started.append(run)
    return await find_migration(scope, run.id)


async def list_migrations(scope: Scope) -> list[Seen]:
    """The newest first; for the operator those of all accounts, else the caller's own."""
    runs = await visible_runs(scope, kind=KIND, most=MOST_LISTED)
    rows = await query.rows(scope.db, MigrationRow, "migrations.of_runs", runs=[run.id for run in runs])
    by_run = {row.run_id: row for row in rows}
    return [Seen(by_run[run.id], run) for run in runs]


async def find_migration(scope: Scope, number: int) -> Seen:
    """Raises NotFound, also for one of another account."""
    run = await find_visible_run(scope, number, kind=KIND)
    row = await query.one(scope.db, MigrationRow, "migrations.find", run_id=number) if run is not None else None
    if row is None or run is None:
        raise NotFound(
            "Couldn't find that migration.", fix="`changeover migrations` lists what there was.", resource="migration"
        )
    return Seen(row, run)


async def abort(scope: Scope, number: int) -> Seen:
    """Have everything removed that it made, on both sides. Raises NotAvailable when it has ended."""
    seen = await find_migration(scope, number)
    if seen.run.finished_at is not None:
        raise NotAvailable(f"Migration {number} has ended: it is {seen.run.status}.")
    cancelled = await cancel_run(scope.db, seen.run.id)
    if cancelled is None:
        raise NotAvailable(f"Migration {number} can't be called off any more: its writers were led to the target.")
    scope.started.append(cancelled)
    return Seen(seen.row, cancelled)


@dataclass(frozen=True)
class Between:
    """The caller's migrations between two databases."""

    under_way: MigrationRow | None
    finished: MigrationRow | None
    """The last that was done; None while another one is under way."""


async def between(scope: Scope, source: str, target: str) -> Between:
    """Raises BadAddress, NotFound."""
    ends = await location_named(scope, source), await location_named(scope, target)
    return Between(await _unfinished(scope, *ends), await _of_caller(scope, "migrations.finished", *ends))


async def _unfinished(scope: Scope, source: Location, target: Location) -> MigrationRow | None:
    return await _of_caller(scope, "migrations.unfinished", source, target)


async def _of_caller(scope: Scope, statement: str, source: Location, target: Location) -> MigrationRow | None:
    marks = [mark_of(source, target, scope.caller.id), mark_of(source, target)]
    return await query.one(scope.db, MigrationRow, statement, marks=marks, account_id=scope.caller.id)


async def abort_between(scope: Scope, source: str, target: str) -> Seen:
    """The one between these two that is under way. Raises NotFound."""
    former = (await between(scope, source, target)).under_way
    if former is None:
        raise NotFound(
            "No migration between these two is under way.", fix="`changeover migrations` lists what there was."
        )
    return await abort(scope, former.run_id)


def _require_operator(scope: Scope, options: Options) -> None:
    if any(options.get(name) for name in HOOKS) and not scope.caller.is_operator:
        raise Forbidden(
            "Only the operator may give commands to run.",
            why="They are run on the control plane's host, as the user that it runs as.",
            fix="Ask the operator, or say --hold none or --hold read-only.",
        )
