"""Compares positions of sequences. Behind the source is a difference, because keys would be generated twice. Ahead is not: a
crashed server or a follower skips up to 32 values, and a skipped value does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.relations import SYSTEM
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.excluding import NOTHING, Excluded

AT_ONCE = 200
SEQUENCES = f"""
SELECT n.nspname::text, c.relname::text, s.seqincrement, s.seqcycle
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
 WHERE c.relpersistence <> 't' AND NOT {SYSTEM} AND n.nspname <> ALL (%s)
   AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'
                      AND d.refclassid = 'pg_extension'::regclass
                      AND (x.extname = ANY (%s) OR NOT c.oid = ANY (coalesce(x.extconfig, '{{}}'))))
 ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C"
"""  # noqa: S608 – a constant of ours
Place = tuple[str, str]


@dataclass
class Sequence:
    """One sequence; `failed` says why it could not be read."""

    increment: int
    cycles: bool
    last: int = 0
    is_called: bool = False
    failed: str = ""

    @property
    def next(self) -> int:
        """The next value, unless it cycles."""
        return self.last + self.increment if self.is_called else self.last


async def compare_sequences(source: Side, target: Side, *, skip_schemas: list[str], skip_extensions: list[str],
                            excluded: Excluded = NOTHING) -> Part:  # fmt: skip
    """Compares next values. Start, increment, bounds and cache are part of the schema."""
    part = Part("sequences", how="next values")
    here, there = await together(*(_read(side, skip_schemas, skip_extensions) for side in (source, target)))
    for place in sorted(here.keys() | there.keys()):
        if excluded.has(*place):
            continue
        title = f"sequence {place[0]}.{place[1]}"
        if place not in here or place not in there:
            part.differs(Difference(title, f"is missing on the {'target' if place in here else 'source'}"))
        elif failed := here[place].failed or there[place].failed:
            part.is_unknown(title, failed)
        else:
            part.compared += 1
            judge(part, title, here[place], there[place])
    return part


def judge(part: Part, title: str, source: Sequence, target: Sequence) -> None:
    """Pure: a difference, a note, or nothing."""
    if source.next == target.next:
        return
    forwards = (target.next - source.next) * (1 if source.increment > 0 else -1)
    says = f"gives {source.next} next on the source and {target.next} on the target"
    if forwards < 0:
        why = "; it cycles, so it may be ahead and have wrapped around" if source.cycles else ""
        part.differs(Difference(title, says + why))
    else:
        part.notes.append(f"{title} is ahead: it {says}")


async def _read(side: Side, skip_schemas: list[str], skip_extensions: list[str]) -> dict[Place, Sequence]:
    found = {
        (schema, name): Sequence(increment, cycles)
        for schema, name, increment, cycles in await side.rows(SEQUENCES, [skip_schemas, skip_extensions])
    }
    places = list(found)
    for start in range(0, len(places), AT_ONCE):
        await _read_some(side, places[start : start + AT_ONCE], found)
    return found


async def _read_some(side: Side, places: list[Place], found: dict[Place, Sequence]) -> None:
    """Reads all in one statement. After an error, reads one by one to find the sequence that may not be read."""
    asked = sql.SQL(" UNION ALL ").join(
        sql.SQL("SELECT {}, last_value, is_called FROM {}").format(sql.Literal(number), sql.Identifier(*place))
        for number, place in enumerate(places)
    )
    try:
        for number, last, is_called in await side.rows(asked):
            one = found[places[number]]
            one.last, one.is_called = last, is_called
    except psycopg.Error as refused:
        if len(places) == 1:
            found[places[0]].failed = f"the {side.name} refused: {refused}"
            return
        for place in places:
            await _read_some(side, [place], found)
