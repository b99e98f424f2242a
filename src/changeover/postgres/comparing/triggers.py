"""The triggers by which foreign keys work: pg_dump says nothing of them, and whoever switches all triggers off, them too."""

from __future__ import annotations

from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.relations import SYSTEM
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.excluding import Excluded

STATES = f"""
SELECT n.nspname::text, r.relname::text, c.conname::text, min(t.tgenabled::text)
  FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint
  JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE t.tgisinternal AND t.tgenabled <> 'O' AND NOT {SYSTEM} AND n.nspname <> ALL (%s)
 GROUP BY 1, 2, 3
"""  # noqa: S608 – a constant of ours
WORDS = {"O": "enabled", "D": "disabled", "R": "enabled for replicas only", "A": "always enabled"}


async def compare_triggers(
    part: Part, source: Side, target: Side, *, skip_schemas: list[str], excluded: Excluded
) -> None:
    """Only what is not as a foreign key is made: enabled."""
    here, there = await together(*(_read(side, skip_schemas) for side in (source, target)))
    for name in sorted(here.keys() | there.keys()):
        if excluded.has(*name[:2]):
            continue
        one, other = here.get(name, "O"), there.get(name, "O")
        if one != other:
            says = f"are {WORDS[one]} on the source and {WORDS[other]} on the target"
            part.differs(Difference(f"triggers of fk constraint {name[0]}.{name[1]} {name[2]}", says))


async def _read(side: Side, skip_schemas: list[str]) -> dict[tuple[str, str, str], str]:
    return {(schema, table, name): state for schema, table, name, state in await side.rows(STATES, [skip_schemas])}
