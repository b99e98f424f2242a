"""The hold by the user's own command."""

from __future__ import annotations

from changeover.changeovers.ends.addresses import Ends
from changeover.changeovers.holds.hold import Held
from changeover.changeovers.holds.hooks import Hooks, run_hook
from changeover.changeovers.holds.writers import Changed, HoldOfWriters


class Command(HoldOfWriters):
    """`--on-hold` holds the writers, `--on-release` lets them continue."""

    says = "are held by your command"

    async def take_from(self, ends: Ends, hooks: Hooks, changed: Changed) -> tuple[Held, Changed]:
        await run_hook("hold", hooks.on_hold, ends)
        return Held(), changed
