"""What every method can do. Each verb is safe to repeat: it looks first, then acts."""

from __future__ import annotations

from typing import Protocol

from changeover.runs.run import Outcome, Run
from changeover.store.changeover_rows import ChangeoverRow


class Method(Protocol):
    """One way in which rows reach the target."""

    async def check(self, run: Run, row: ChangeoverRow, /) -> Outcome:
        """Look at both ends; change nothing."""
        ...

    async def prepare(self, run: Run, row: ChangeoverRow, /) -> Outcome:
        """Make the target, or what feeds it, while the source stays live."""
        ...

    async def behind(self, run: Run, row: ChangeoverRow, /) -> int | None:
        """How many commits of the source the target lacks; None when that is unknown. 0 where nothing flows before the pause."""
        ...

    async def passage(self, run: Run, row: ChangeoverRow, /) -> Outcome:
        """The pause, from its hold to the moment when clients may go to the target; or what it still waits for."""
        ...

    async def finish(self, run: Run, row: ChangeoverRow, /) -> Outcome:
        """Report what was done and proven, and remove what only the changeover needed."""
        ...

    async def let_go(self, run: Run, row: ChangeoverRow, /) -> None:
        """Undo what attempts at the pause left: the fence and the hold."""
        ...

    async def undo(self, run: Run, row: ChangeoverRow, /) -> None:
        """Undo `prepare`, and remove what was copied."""
        ...

    async def forget(self, run: Run, row: ChangeoverRow, /) -> None:
        """The end of undoing: forget secrets that only the changeover needed."""
        ...
