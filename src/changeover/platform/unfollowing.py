"""`pg:unfollow`: makes a follower permanently writable and independent."""

from __future__ import annotations

from changeover.errors import NotAFollower, NotAvailable, ServerUnreachable, UnfollowRefused
from changeover.platform.scope import Scope
from changeover.platform.servers import server_of
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.rows import Addon, Database, RunRow


async def unfollow(scope: Scope, addon: Addon, database: Database) -> RunRow:
    """Starts the run. Warns about what the follower would miss.

    Raises NotAFollower, NotAvailable, UnfollowRefused (it does not answer), RunConflict.
    """
    if database.leader_id is None:
        raise NotAFollower(f"{addon.name} is not a follower.", why="It is already standalone and writable.")
    if addon.state != "provisioned":
        raise NotAvailable(
            f"{addon.name} can't be unfollowed yet.",
            why=f"It is {addon.state}.",
            fix=f"Wait for it: `changeover pg:wait {addon.name} -a {addon.app_name}`.",
        )
    leader = await query.only(scope.db, Database, "databases.find", addon_id=database.leader_id)
    scope.warnings.extend(await _what_it_would_miss(scope, addon, database, leader))
    run = await start_run(
        scope.db,
        kind="unfollow",
        first_step="promote",
        subject=addon.name,
        app=addon,
        account_id=scope.caller.id,
        host=scope.parts.host,
        given={
            "addon_id": str(addon.id),
            "account_id": str(scope.caller.id),
            "server": database.server_name,
            "leader_server": leader.server_name,
            "leader_id": str(leader.addon_id),
        },
    )
    scope.started.append(run)
    return run


async def _what_it_would_miss(scope: Scope, addon: Addon, database: Database, leader: Database) -> list[str]:
    """Warnings, not errors, because a user may want an old state. Refuses only if the follower doesn't answer."""
    engine = scope.parts.engine
    server, leader_server = (
        await server_of(scope.db, database.server_name),
        await server_of(scope.db, leader.server_name),
    )
    async with scope.asking():
        health = await engine.health(server)
    if health.state != "available":
        raise UnfollowRefused(
            f"{addon.name} can't be unfollowed now.",
            why=f"It does not answer: {database.trouble or health.because or health.state}.",
            fix=f"`changeover pg:info {addon.name} -a {addon.app_name}` shows when it is available again.",
        )
    try:
        async with scope.asking():
            behind = await engine.behind(server, leader_server)
            facts = await engine.facts(leader_server, leader.database_name)
    except ServerUnreachable as error:
        return [f"{leader.addon_name} does not answer, so it is unknown what {addon.name} may miss. {error.why}"]
    warnings = []
    if behind.is_lost:
        warnings.append(f"{addon.name} lost its connection to the leader and lacks everything written since.")
    elif behind.commits or (behind.commits is None and behind.bytes):
        amount = f"{behind.commits} commits" if behind.commits is not None else f"{behind.bytes} bytes of WAL"
        warnings.append(f"{addon.name} was still {amount} behind {leader.addon_name}: it may not have them all.")
    if facts.writing_backends:
        warnings.append(
            f"{leader.addon_name} had {facts.writing_backends} connections with open writing transactions: "
            f"what they commit from now on will not be in {addon.name}."
        )
    return warnings
