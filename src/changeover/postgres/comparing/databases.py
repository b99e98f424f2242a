"""The entry point: compares two databases. Reads only, each side in its own snapshot."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path

from changeover.postgres.comparing.comparison import Comparison, Part
from changeover.postgres.comparing.contents import Contents
from changeover.postgres.comparing.extensions import compare_extensions
from changeover.postgres.comparing.large_objects import compare_large_objects
from changeover.postgres.comparing.ownership import read_ownership, why_not_comparable
from changeover.postgres.comparing.properties import compare_properties, compare_relations
from changeover.postgres.comparing.relations import read_relations
from changeover.postgres.comparing.schema import compare_schemas
from changeover.postgres.comparing.sequences import compare_sequences
from changeover.postgres.comparing.sides import open_side, together
from changeover.postgres.emptying import RESERVED_SCHEMAS
from changeover.postgres.excluding import NOTHING, Excluded
from changeover.postgres.installations import find_installations
from changeover.postgres.location import Location
from changeover.postgres.progress import Progress, Tell


async def ignore_progress(progress: Progress) -> None:
    """A progress callback that does nothing."""


async def compare(
    source: Location,
    target: Location,
    *,
    is_quick: bool = False,
    connections: int = 2,
    skip_schemas: Iterable[str] = (),
    skip_extensions: Iterable[str] = (),
    excluded: Excluded = NOTHING,
    installations: Iterable[Path] = (),
    compares_owners: bool | None = None,
    properties_decide: bool = True,
    shows_values: bool = False,
    tell: Tell = ignore_progress,
) -> Comparison:
    """`is_quick` counts rows and skips large objects. `connections` is the number to each side (at least 2).
    `installations` are additional folders of PostgreSQL installations that may provide pg_dump.

    `compares_owners`: owners, rights and roles. None: only if both sides have the same roles. If `properties_decide` is
    False, differing properties of the database or its roles are only notes.

    Skips what is `excluded` on both sides, and reserved schemas, which only our own databases have.
    `shows_values` includes the differing values of the first row in the result, truncated. They are user data.
    Raises ServerUnreachable, LoginRefused, NotTrusted, ConnectionLost. Any other error makes the affected part unknown.
    """
    began = time.monotonic()
    schemas = [*RESERVED_SCHEMAS, *skip_schemas, *excluded.schemas]
    extensions = [*skip_extensions, *excluded.extensions]
    tables = Part("tables")
    contents = Contents(tables, connections, is_quick, shows_values, tell)
    async with AsyncExitStack() as stack:
        here, there = [
            await stack.enter_async_context(
                open_side(name, location, connections=max(2, connections), parallel=2 if is_quick else 0)
            )
            for name, location in (("source", source), ("target", target))
        ]
        await tell(Progress("compare schemas"))
        known = await asyncio.to_thread(find_installations, installations)
        why_not = "" if compares_owners is not None else why_not_comparable(*await read_ownership(here, there))
        with_owners = not why_not if compares_owners is None else compares_owners
        schema = await compare_schemas(
            here,
            there,
            installations=known,
            skip_schemas=schemas,
            compares_owners=with_owners,
            excluded=excluded,
            decides=properties_decide,
        )
        await compare_relations(schema, here, there, skip_schemas=schemas, decides=properties_decide, excluded=excluded)
        schema.notes += [why_not] if why_not else []
        database = await compare_properties(
            here, there, skip_schemas=schemas, compares_owners=with_owners, decides=properties_decide
        )
        kinds = await together(
            compare_extensions(here, there, skip_extensions=extensions),
            compare_sequences(here, there, skip_schemas=schemas, skip_extensions=extensions, excluded=excluded),
        )
        relations = await together(
            *(
                read_relations(
                    side,
                    skip_schemas=schemas,
                    skip_extensions=extensions,
                    excluded=excluded,
                    encodings_differ=here.encoding != there.encoding,
                )
                for side in (here, there)
            )
        )
        await contents.compare(here, there, (relations[0], relations[1]))
        large = [] if is_quick else [await compare_large_objects(here, there, compares_owners=with_owners)]
        parts = [schema, tables, kinds[1], *large, kinds[0], database]
    seconds = time.monotonic() - began
    return Comparison(tuple(parts), is_quick, contents.bytes_compared, contents.rows, contents.seconds, seconds)
