"""Large objects: by number, length and digest, a few thousand at a time, never more than a slice of one in memory."""

from __future__ import annotations

import psycopg

from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.sides import Side, together

AT_ONCE = 2000
SLICE_BYTES = 16 * 1024 * 1024

WINDOW = """
SELECT coalesce(max(oid)::bigint, %(after)s) FROM
 (SELECT oid FROM pg_largeobject_metadata WHERE oid > %(after)s::bigint::oid ORDER BY oid LIMIT %(at_once)s) AS w
"""
DIGESTS = """
SELECT oid::bigint, octet_length(piece), encode(sha256(piece), 'hex')
  FROM (SELECT oid, lo_get(oid, 0, %(slice)s) AS piece FROM pg_largeobject_metadata
         WHERE oid > %(after)s::bigint::oid AND oid <= %(to)s::bigint::oid OFFSET 0) AS o
"""
FURTHER = """
SELECT octet_length(piece), encode(sha256(piece), 'hex') FROM (SELECT lo_get(%s::bigint::oid, %s, %s) AS piece OFFSET 0) AS o
"""
Digests = dict[int, tuple[int, str]]


async def compare_large_objects(source: Side, target: Side) -> Part:
    """Unknown as a whole when one may not be read; holes that were never written read as zeros, on both sides."""
    part = Part("large objects", how="digests")
    after = 0
    while True:
        try:
            ends = await together(_window(source, after), _window(target, after))
            to = min((end for end in ends if end > after), default=after)
            if to == after:
                return part
            here, there = await together(_digests(source, after, to), _digests(target, after, to))
        except psycopg.Error as refused:
            part.is_unknown("large objects", f"after number {after} one could not be read: {refused}")
            return part
        await _compare(part, source, target, here, there)
        after = to


async def _window(side: Side, after: int) -> int:
    ((end,),) = await side.rows(WINDOW, {"after": after, "at_once": AT_ONCE})
    return int(end)


async def _digests(side: Side, after: int, to: int) -> Digests:
    found = await side.rows(DIGESTS, {"slice": SLICE_BYTES, "after": after, "to": to})
    return {oid: (length, digest) for oid, length, digest in found}


async def _compare(part: Part, source: Side, target: Side, here: Digests, there: Digests) -> None:
    for oid in sorted(here.keys() | there.keys()):
        title = f"large object {oid}"
        if oid not in here or oid not in there:
            part.differs(Difference(title, f"is missing on the {'target' if oid in here else 'source'}"))
            continue
        part.compared += 1
        if here[oid] != there[oid]:
            part.differs(Difference(title, _says(here[oid], there[oid])))
        elif here[oid][0] == SLICE_BYTES and (says := await _rest(source, target, oid)):
            part.differs(Difference(title, says))


async def _rest(source: Side, target: Side, oid: int) -> str:
    start, length = SLICE_BYTES, SLICE_BYTES
    while length == SLICE_BYTES:
        (here,), (there,) = await together(
            *(side.rows(FURTHER, [oid, start, SLICE_BYTES]) for side in (source, target))
        )
        if here != there:
            return f"differs after byte {start}"
        start, length = start + SLICE_BYTES, here[0]
    return ""


def _says(here: tuple[int, str], there: tuple[int, str]) -> str:
    if here[0] == there[0]:
        return f"has other content within its first {here[0]} bytes"
    return "has another length on the target"
