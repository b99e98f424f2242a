"""What every hold can do. Each verb is safe to repeat, and writes down what it changes before it changes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from changeover.changeovers.checks.finding import Finding
from changeover.platform.scope import Scope
from changeover.runs.run import Run
from changeover.store.changeover_rows import ChangeoverRow
from changeover.store.rows import Addon, Attachment


@dataclass(frozen=True)
class Held:
    """The state of a hold after a verb.

    `waits_for`: why the verb is not done yet; call it again. `remarks`: what users should know. `left`: what could not be put
    back, in words.
    """

    waits_for: str = ""
    remarks: tuple[str, ...] = ()
    left: tuple[str, ...] = ()


class Hold(Protocol):
    """One way to hold writers back."""

    @property
    def says(self) -> str:
        """What happens to writers, for the plan."""
        ...

    async def plan(self, scope: Scope, source: Addon, attachments: Sequence[Attachment], /) -> list[Finding]:
        """What speaks against it, for a source of ours. Looks, and changes nothing."""
        ...

    async def take(self, run: Run, row: ChangeoverRow, /) -> Held:
        """Hold them. Raises HoldFailed, HookFailed, ServerUnreachable."""
        ...

    async def let_go(self, run: Run, row: ChangeoverRow, /) -> Held:
        """Put everything back as it was: the changeover does not happen. Nothing to do where nothing is held.

        For a source that is known by its address, the caller forgets what was held, once it has written down what is left.
        """
        ...

    async def release(self, run: Run, row: ChangeoverRow, /) -> Held:
        """Let the writers continue on the target. Nothing to do where nothing is held."""
        ...
