"""The same command again: which options of a changeover in progress can still change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from psycopg.types.json import Jsonb

from changeover.changeovers.methods.snapshot.options import Options, SnapshotOptions, options_of
from changeover.changeovers.phases import SNAPSHOT, is_reached, phases_of
from changeover.errors import NotAvailable
from changeover.platform.scope import Scope
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import RunRow

CHECK, RELEASED = "check", "released"
ORDER: Final = (CHECK, *(phase.name for phase in phases_of(SNAPSHOT)))
USED_IN: Final = {
    "ignored": CHECK, "exclude_tables": CHECK, "exclude_schemas": CHECK, "only_schemas": CHECK,
    "hold": "held", "on_hold": "held", "pgbouncer": "held", "keeps_owners": "copied", "connections": "copied",
    "refresh": "copied", "verify": "compared", "on_switch": "routed", "on_release": RELEASED,
}  # fmt: skip
"""The step or phase that first uses an option: before it, the option can change."""
REPEATABLE: Final = {"connections", "refresh", "verify", "on_switch", "on_release"}
"""Where their phase has stopped, it begins again with the new value."""

TYPED: Final = {
    "ignored": "--ignore",
    "keeps_owners": "--no-owners",
    "pgbouncer": "--hold pgbouncer:URL",
    "exclude_tables": "--exclude-table",
    "exclude_schemas": "--exclude-schema",
    "only_schemas": "--only-schema",
}
"""Options whose name on the command line is another."""


async def change_options(scope: Scope, run: RunRow, options: Options) -> None:
    """Give a migration under way the options that differ from its own.

    The run's row stays locked until the commit, so its worker can't begin a phase in between and use the former ones.
    Raises NotAvailable for an option whose time is over, and for a migration that is being called off.
    """
    present = await query.one(scope.db, RunRow, "runs.hold", id=run.id, epoch=run.epoch)
    if present is None or present.status == "undoing":
        raise NotAvailable(
            f"Migration {run.id} between these two is being called off, or has just ended.",
            fix=f"`changeover migrations:info {run.id}` shows what becomes of it. Then repeat the command.",
        )
    row = await query.only(scope.db, ChangeoverRow, "changeovers.find", run_id=run.id)
    own = options_of(row, scope.parts.cipher)
    changed = {name: value for name, value in options.items() if value != own[name]}
    _require_in_time(changed, row, present)
    if changed:
        new = SnapshotOptions.of({**own, **changed})
        await query.execute(
            scope.db, "changeovers.change_options", run_id=run.id, hold=new.hold, options=Jsonb(new.as_dict()),
            hooks=new.hooks.sealed(scope.parts.cipher),
        )  # fmt: skip


def _require_in_time(changed: Mapping[str, Any], row: ChangeoverRow, run: RunRow) -> None:
    now = _position(row, run)
    late = [
        name
        for name in changed
        if not (
            now < ORDER.index(USED_IN[name])
            or (name in REPEATABLE and row.stopped is not None and now == ORDER.index(USED_IN[name]))
        )
    ]
    if late:
        named = ", ".join(TYPED.get(name, f"--{name.replace('_', '-')}") for name in late)
        raise NotAvailable(
            f"Migration {run.id} is in progress, and these options can't change any more: {named}.",
            why="What they decide was begun with other values.",
            fix="Run the command without them: it continues as it began. Or abort it with --abort, and begin again.",
        )


def _position(row: ChangeoverRow, run: RunRow) -> int:
    """Where in ORDER it is: the check, or the phase that it is in. Behind the last one once everything is released."""
    if run.step in (CHECK, "finish"):
        return 0 if run.step == CHECK else len(ORDER)
    if run.step == "release":
        return ORDER.index(RELEASED)
    return next(number for number, name in enumerate(ORDER) if number and not is_reached(name, row.phase))
