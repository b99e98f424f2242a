"""Creates a standalone database: its server (or a place on a shared one), the database, and its role."""

from __future__ import annotations

from changeover.engines.engine import Credential, Size
from changeover.platform.releases import add_release
from changeover.platform.scope import Parts
from changeover.platform.servers import as_server, holding_server
from changeover.platform.workflows.dismantling import dismantle
from changeover.runs.run import Advance, Outcome, Run, Step, Wait, Workflow
from changeover.store import query
from changeover.store.rows import Addon, Attachment, CredentialRow, Database, RunRow, ServerRow


class Provisioning:
    """The steps of `provision`. Its undo removes everything."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def workflow(self) -> Workflow:
        return Workflow(
            "provision",
            (
                Step("server", self.make_server, "Create and start the server", undo=self.remove, deadline_s=180),
                Step("database", self.make_database, "Create the database and its role", deadline_s=60),
                Step("ready", self.announce, "Hand it to its app", deadline_s=60),
            ),
        )

    async def remove(self, run: Run) -> None:
        await dismantle(run, self._parts)

    async def make_server(self, run: Run) -> Outcome:
        row = await query.only(run.db, ServerRow, "databases.server", name=run.input["server"])
        if row.is_wanted:
            return Advance("a shared server that is already running")
        async with holding_server(run.db, row.name) as is_ours:
            if not is_ours:
                return Wait(0.2, "another database is being created on the same server")
            await self._parts.engine.create(as_server(row), Size(**row.size))
            async with run.transaction() as db:
                await query.execute(db, "databases.want_server", name=row.name, is_wanted=True)
        return Advance(f"{row.address}:{row.port}")

    async def make_database(self, run: Run) -> Outcome:
        row = await query.only(run.db, ServerRow, "databases.server", name=run.input["server"])
        database = await query.only(run.db, Database, "databases.find", addon_id=run.input["addon_id"])
        [credential] = await query.rows(run.db, CredentialRow, "databases.credentials", addon_id=database.addon_id)
        owner = Credential(credential.user_name, self._parts.cipher.decrypt(credential.password))
        plan = self._parts.catalogue.plan(f"{self._parts.catalogue.service.name}:{database.plan}")
        limit = plan.connections if row.is_shared else None
        await self._parts.engine.create_database(as_server(row), database.database_name, owner, connection_limit=limit)
        return Advance()

    async def announce(self, run: Run) -> Outcome:
        await announce(run, self._parts)
        return Advance()


async def announce(run: Run, parts: Parts) -> None:
    """The add-on is provisioned: its config vars appear in every app that has it attached, each with a release."""
    started: list[RunRow | None] = []
    async with run.transaction() as db:
        addon = await query.only(db, Addon, "addons.find", key=run.input["addon_id"])
        await query.execute(db, "addons.set_state", id=addon.id, state="provisioned")
        for attachment in await query.rows(db, Attachment, "attachments.of_addon", addon_id=addon.id):
            text = f"@ref:{addon.name} completed provisioning, setting {attachment.config_var}."
            started.append(await add_release(db, parts, attachment.app_id, run.account_id, text, is_by_user=False))
    await parts.tick(started)
