"""The switch in our state: the target stands alone, and every attachment of the source leads to it. One transaction."""

from __future__ import annotations

from changeover.platform.attachments import attachments_to
from changeover.platform.environment import attachments_of
from changeover.platform.names import free_attachment_name
from changeover.platform.pooling import move_poolers
from changeover.platform.releases import add_release
from changeover.platform.scope import Parts
from changeover.platform.workflows.unfollowing import mark_standalone
from changeover.runs.run import Run
from changeover.store import query
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.query import Db
from changeover.store.rows import Addon, RunRow


async def switch(run: Run, parts: Parts, row: ChangeoverRow, *, restarts: bool) -> None:
    """Repeatable. `restarts`: dynos must take their new URLs now; else they do when they start next."""
    started: list[RunRow | None] = []
    if row.switched_at is not None or row.target_id is None:
        return
    await mark_standalone(run, parts, row.target_id, row.our_source_id)
    async with run.transaction() as db:
        moved = await attachments_to(db, row.our_source_id)
        await query.execute(db, "attachments.move", source_id=row.our_source_id, target_id=row.target_id)
        await move_poolers(db, row.our_source_id, row.target_id)
        await _keep_reachable(db, row)
        await query.execute(db, "changeovers.switched", run_id=run.id)
        for app_id in {one.app_id for one in moved}:
            names = ", ".join(one.name for one in moved if one.app_id == app_id)
            text = f"Changeover {run.id}: {names} (@ref:{row.target_name})"
            started.append(
                await add_release(
                    db, parts, app_id, run.account_id, text, is_by_user=False, is_required=True, reaches_dynos=restarts
                )
            )
    await parts.tick(started)


async def _keep_reachable(db: Db, row: ChangeoverRow) -> None:
    """A name for the former database on its own app: to look at it, and to destroy it."""
    source = await query.one(db, Addon, "addons.find", key=str(row.our_source_id))
    if source is not None:
        taken = {one.name for one in await attachments_of(db, source.app_id)}
        name = free_attachment_name(taken, may_be_default=False)
        await query.values(db, "attachments.add", app_id=source.app_id, addon_id=source.id, name=name, namespace=None)
