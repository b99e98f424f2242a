"""The internal triggers of foreign keys. pg_dump doesn't print their state, but DISABLE TRIGGER ALL changes it."""

from __future__ import annotations

from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.dumps import Thing
from changeover.postgres.comparing.relations import SYSTEM
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.excluding import Excluded

STATES = f"""
SELECT n.nspname::text, r.relname::text, c.conname::text, p.proname || ' on ' || o.relname, min(t.tgenabled::text)
  FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint JOIN pg_proc p ON p.oid = t.tgfoid
  JOIN pg_class o ON o.oid = t.tgrelid
  JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE t.tgisinternal AND t.tgenabled <> 'O' AND NOT {SYSTEM} AND n.nspname <> ALL (%s)
 GROUP BY 1, 2, 3, 4
"""  # noqa: S608 – a constant of ours
OF_CONSTRAINTS = """
SELECT n.nspname::text, r.relname || ' ' || t.tgname
  FROM pg_trigger t JOIN pg_constraint c ON c.oid = t.tgconstraint
  JOIN pg_class r ON r.oid = t.tgrelid JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE t.tgisinternal AND c.contype <> 't' AND r.relispartition
"""
WORDS = {"O": "enabled", "D": "disabled", "R": "enabled for replicas only", "A": "always enabled"}


async def compare_triggers(
    part: Part, source: Side, target: Side, *, skip_schemas: list[str], excluded: Excluded
) -> None:
    """Compares states. Foreign keys are created with enabled triggers."""
    here, there = await together(*(_read(side, skip_schemas) for side in (source, target)))
    told = set[tuple[str, ...]]()
    for name in sorted(here.keys() | there.keys()):
        if excluded.has(*name[:2]) or name[:3] in told:
            continue
        one, other = here.get(name, "O"), there.get(name, "O")
        if one != other:
            told.add(name[:3])
            says = f"are {WORDS[one]} on the source and {WORDS[other]} on the target"
            part.differs(Difference(f"triggers of fk constraint {name[0]}.{name[1]} {name[2]}", says))


async def _read(side: Side, skip_schemas: list[str]) -> dict[tuple[str, str, str, str], str]:
    rows = await side.rows(STATES, [skip_schemas])
    return {(schema, table, name, which): state for schema, table, name, which, state in rows}


async def triggers_of_constraints(side: Side) -> set[Thing]:
    """Triggers of partitions that pg_dump prints because their state differs from their parent's. Their names differ between
    servers."""
    return {Thing("TRIGGER", schema, name) for schema, name in await side.rows(OF_CONSTRAINTS)}
