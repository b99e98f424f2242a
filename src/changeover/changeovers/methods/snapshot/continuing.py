"""The same command once more: which options of a migration under way can still change, and when a migration has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg.types.json import Jsonb

from changeover.changeovers.methods.snapshot.options import Options, Wish, hooks_of, sealed
from changeover.errors import NotAvailable
from changeover.platform.scope import Scope
from changeover.postgres.filters import Filters
from changeover.store import query
from changeover.store.move_rows import MigrationRow
from changeover.store.rows import RunRow

STEPS: Final = ("check", "hold", "copy", "verify", "switch", "release", "tidy")
USED_IN: Final = {
    "ignored": "check", "hold": "hold", "on_hold": "hold", "pgbouncer": "hold", "keeps_owners": "copy", "connections": "copy",
    "exclude_tables": "check", "exclude_schemas": "check", "only_schemas": "check",
    "refresh": "copy", "verify": "verify", "on_switch": "switch", "on_release": "release",
}  # fmt: skip
"""The step that first uses an option: before it the option can change."""
REPEATABLE: Final = {"connections", "refresh", "verify", "on_switch", "on_release"}
"""Where their step has stopped, it begins anew with the new value."""

TYPED: Final = {
    "ignored": "--ignore",
    "keeps_owners": "--no-owners",
    "pgbouncer": "--hold pgbouncer:URL",
    "exclude_tables": "--exclude-table",
    "exclude_schemas": "--exclude-schema",
    "only_schemas": "--only-schema",
}
"""Options whose name on the command line is another."""


async def change_options(scope: Scope, row: MigrationRow, run: RunRow, options: Options) -> None:
    """Give a migration under way the options that differ from its own.

    The run's row stays locked until the commit, so its worker can't begin a step in between and use the former ones.
    Raises NotAvailable for an option whose time is over, and for a migration that is being called off.
    """
    present = await query.one(scope.db, RunRow, "runs.hold", id=run.id, epoch=run.epoch)
    if present is None or present.status == "undoing":
        raise NotAvailable(
            f"Migration {run.id} between these two is being called off, or has just ended.",
            fix=f"`changeover migrations:info {run.id}` shows what becomes of it. Then repeat the command.",
        )
    own = options_of(row, scope)
    changed = {name: value for name, value in options.items() if value != own[name]}
    _require_in_time(changed, row, present)
    if changed:
        wish = Wish.of({**own, **changed})
        await query.execute(
            scope.db, "migrations.change", run_id=run.id, wish=Jsonb(wish.as_dict()),
            hooks=sealed(wish.hooks, scope.parts.cipher),
        )  # fmt: skip


def options_of(row: MigrationRow, scope: Scope) -> dict[str, Any]:
    """All options of the migration, as they were given or by default."""
    plain = {name: row.wish[name] for name in ("hold", "verify", "connections", "keeps_owners")}
    plain["refresh"] = row.wish.get("refresh", "all")  # a former version had no such option
    patterns = {name: tuple(values) for name, values in Filters.of(row.wish).as_dict().items()}
    return {**plain, **patterns, "ignored": tuple(row.wish["ignored"]), **hooks_of(row, scope.parts.cipher).as_dict()}


def _require_in_time(changed: Mapping[str, Any], row: MigrationRow, run: RunRow) -> None:
    now = STEPS.index(run.step)
    late = [
        name
        for name in changed
        if not (
            now < STEPS.index(USED_IN[name])
            or (name in REPEATABLE and row.stopped is not None and run.step == USED_IN[name])
        )
    ]
    if late:
        named = ", ".join(TYPED.get(name, f"--{name.replace('_', '-')}") for name in late)
        raise NotAvailable(
            f"Migration {run.id} is under way, and these options can't change any more: {named}.",
            why=f"It is at the step “{run.step}”, and began with other values.",
            fix="Repeat the command without them and it goes on as it began. Or call it off with --abort, and begin anew.",
        )
