"""The hold `read-only`: new sessions of the source can't write, and old ones are ended."""

from __future__ import annotations

from changeover.changeovers.ends.addresses import Ends
from changeover.changeovers.holds.hold import Held
from changeover.changeovers.holds.hooks import Hooks
from changeover.changeovers.holds.writers import Changed, HoldOfWriters
from changeover.postgres.reaching import reach
from changeover.postgres.read_only import end_sessions, roles_that_write_all_the_same, set_read_only, setting_before

NAME = "changeover hold"


class ReadOnly(HoldOfWriters):
    """After a changeover that succeeds the source stays read-only: its writers belong to the target."""

    says = "can't write to the source from then on, also afterwards: their sessions are ended, new ones are read-only"

    async def before(self, ends: Ends, _hooks: Hooks) -> Changed:
        async with reach(ends.source, application_name=NAME) as connection:
            return {"before": await setting_before(connection)}

    async def take_from(self, ends: Ends, _hooks: Hooks, changed: Changed) -> tuple[Held, Changed]:
        hidden = changed.get("hidden")
        async with reach(ends.source, application_name=NAME, is_read_only=False) as connection:
            await set_read_only(connection, ends.source)
            sessions = await end_sessions(connection, hidden=hidden if isinstance(hidden, list) else None)
            defiant = await roles_that_write_all_the_same(connection)
        remarks = tuple(f"{name} has a setting of its own by which it may still write" for name in defiant)
        waits_for = ""
        if sessions.left:
            named = ", ".join(sessions.left)
            waits_for = (
                f"these may have begun before the hold, and {ends.source.user} can't end them; end them: {named}"
            )
        return Held(waits_for, remarks), {**changed, "hidden": sessions.hidden}

    async def put_back(self, ends: Ends, _hooks: Hooks, changed: Changed) -> Held:
        """Sessions that began during the hold can't write before they reconnect. `left` names those that could not be ended."""
        before = changed.get("before")
        async with reach(ends.source, application_name=NAME, is_read_only=False) as connection:
            await set_read_only(connection, ends.source, value=None if before is None else str(before))
            sessions = await end_sessions(connection)
        return Held(left=tuple(f"a session that can't write until it begins anew: {one}" for one in sessions.left))
