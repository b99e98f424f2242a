"""What every hold can do. Each verb is safe to repeat, and writes down what it changes before it changes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from changeover.runs.run import Run
from changeover.store.changeover_rows import ChangeoverRow


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

    async def take(self, run: Run, row: ChangeoverRow, /) -> Held:
        """Hold them. Raises HoldFailed, HookFailed, ServerUnreachable."""
        ...

    async def let_go(self, run: Run, row: ChangeoverRow, /) -> Held:
        """Put everything back as it was: the changeover does not happen. Nothing to do where nothing is held."""
        ...

    async def release(self, run: Run, row: ChangeoverRow, /) -> Held:
        """Let the writers continue on the target. Nothing to do where nothing is held."""
        ...
