"""The comparisons that this worker runs. Each is started once; its run's step looks at it. It starts over with a new worker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from changeover.errors import ChangeoverError, Reported
from changeover.postgres.comparing.comparison import Comparison
from changeover.postgres.comparing.databases import compare
from changeover.postgres.excluding import NOTHING, Excluded
from changeover.postgres.location import Location
from changeover.postgres.progress import Progress
from changeover.runs.run import Run

BEGINS = Progress("compare")
MOST_OF_ACCOUNT = 8
"""Comparisons that one account may have under way at once: each holds connections on both sides."""
WAITS = Progress("compare", f"waits until fewer than {MOST_OF_ACCOUNT} of your comparisons are under way")
LOOK_S, WAITS_S = 0.1, 5.0


def look_again_s(progress: Progress) -> float:
    """Hundreds may wait for their turn: each look is a connection to our state."""
    return WAITS_S if progress is WAITS else LOOK_S


@contextmanager
def finally_failed() -> Iterator[None]:
    """A failure inside is final. Nothing was changed, and the user can ask again."""
    try:
        yield
    except ChangeoverError as error:
        raise Reported(error.as_dict()) from error


@dataclass
class _UnderWay:
    epoch: int
    account_id: UUID | None
    task: asyncio.Task[Comparison] | None = None
    progress: Progress = field(default=BEGINS)

    async def tell(self, progress: Progress) -> None:
        self.progress = progress


class Comparisons:
    """By run. The servers do the work: what is here waits for them."""

    def __init__(self, installations: tuple[Path, ...]) -> None:
        self._installations = installations
        self._under_way: dict[int, _UnderWay] = {}

    async def look(
        self,
        run: Run,
        source: Location,
        target: Location,
        *,
        is_quick: bool,
        skip_schemas: tuple[str, ...] = (),
        skip_extensions: tuple[str, ...] = (),
        excluded: Excluded = NOTHING,
        compares_owners: bool | None = None,
        properties_decide: bool = True,
    ) -> tuple[Progress, Comparison | None]:
        """Begin it where it isn't under way; how far it is, and what was found once it is done. Raises what it met."""
        one = self._under_way.get(run.id)
        if one is None or one.epoch != run.row.epoch:
            self.forget(run)
            theirs = sum(other.account_id == run.row.account_id for other in self._under_way.values())
            if theirs >= MOST_OF_ACCOUNT:
                return WAITS, None
            one = self._under_way[run.id] = _UnderWay(run.row.epoch, run.row.account_id)
            one.task = asyncio.create_task(
                compare(
                    source, target, is_quick=is_quick, skip_schemas=skip_schemas, skip_extensions=skip_extensions,
                    installations=self._installations, compares_owners=compares_owners,
                    properties_decide=properties_decide, excluded=excluded, tell=one.tell,
                )
            )  # fmt: skip
        assert one.task is not None  # noqa: S101 - made above
        await asyncio.wait({one.task}, timeout=0.5)
        if not one.task.done():
            return one.progress, None
        del self._under_way[run.id]
        return one.progress, one.task.result()

    def forget(self, run: Run) -> None:
        """End it where it is under way."""
        one = self._under_way.pop(run.id, None)
        if one is not None and one.task is not None:
            one.task.cancel()
