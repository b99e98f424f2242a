"""What a migration leaves out, asked of its source before anything is changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from changeover.postgres.excluding import Excluded, choose
from changeover.postgres.filters import Filters
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach


def filters_of(patterns: Mapping[str, Sequence[str] | None]) -> Filters:
    """By the names of the fields of Filters. Raises InvalidParams."""
    return Filters.of({name: given or () for name, given in patterns.items()})


async def excluded_from(source: Location, filters: Filters, skip_schemas: Collection[str]) -> Excluded:
    """All of it as of one moment. Raises CannotExclude, and what `reach` raises; without filters nothing is asked."""
    if not filters:
        return Excluded()
    async with (
        reach(source, application_name="changeover check", statement_timeout_s=100) as session,
        session.transaction(),
    ):
        await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return await choose(session, filters, skip_schemas)
