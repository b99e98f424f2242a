"""Removes a database in any state: the undo of creating one, and the work of destroying one.

Repeatable from any point: each part checks what still exists.
"""

from __future__ import annotations

from changeover.errors import ServerBusy
from changeover.platform.releases import add_release
from changeover.platform.scope import Parts
from changeover.platform.servers import as_server, holding_server
from changeover.runs.run import Run
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Attachment, CredentialRow, Database, RunRow, ServerRow


async def dismantle(run: Run, parts: Parts) -> None:
    """Remove the run's database: slot on its leader, process, data, rows. Raises ServerUnreachable, ServerBusy."""
    server = await query.one(run.db, ServerRow, "databases.server", name=run.input["server"])
    if server is None:
        await _forget(run, parts)
        return
    await _drop_slot(run, parts, server)
    async with holding_server(run.db, server.name) as is_ours:
        if not is_ours:
            raise ServerBusy(f"The server {server.name} is being started.", why="It can't be removed now.")
        await _drop_from_shared(run, parts, server)
        await _forget(run, parts)
        await _remove_if_retired(run, parts, server.name)


async def _drop_slot(run: Run, parts: Parts, server: ServerRow) -> None:
    name = run.input.get("leader_server")
    leader = await query.one(run.db, ServerRow, "databases.server", name=name) if name else None
    if leader is not None:
        await parts.engine.forget_follower(as_server(leader), as_server(server))


async def _drop_from_shared(run: Run, parts: Parts, server: ServerRow) -> None:
    database = await query.one(run.db, Database, "databases.find", addon_id=run.input["addon_id"])
    if database is None or not server.is_shared or not server.is_wanted:
        return
    for credential in await query.rows(run.db, CredentialRow, "databases.credentials", addon_id=database.addon_id):
        await parts.engine.drop_database(as_server(server), database.database_name, credential.user_name)


async def _forget(run: Run, parts: Parts) -> None:
    """Remove attachments (each with its release) and the add-on, and mark a server that is no longer used."""
    async with run.transaction() as db:
        started = await _take_off(db, run, parts)
        await query.execute(db, "addons.remove", id=run.input["addon_id"])
        await query.execute(db, "databases.retire_server_if_unused", name=run.input["server"])
    await parts.tick(started)


async def _take_off(db: Db, run: Run, parts: Parts) -> list[RunRow | None]:
    started = []
    for attachment in await query.rows(db, Attachment, "attachments.of_addon", addon_id=run.input["addon_id"]):
        await query.execute(db, "attachments.remove", id=attachment.id)
        description = f"Detach {attachment.name} (@ref:{attachment.addon_name})"
        started.append(
            await add_release(
                db, parts, attachment.app_id, run.account_id, description, is_by_user=False, is_required=True
            )
        )
    return started


async def _remove_if_retired(run: Run, parts: Parts, name: str) -> None:
    server = await query.one(run.db, ServerRow, "databases.server", name=name)
    if server is not None and server.is_retired:
        await parts.engine.destroy(as_server(server))
        async with run.transaction() as db:
            await query.execute(db, "databases.remove_server", name=name)
