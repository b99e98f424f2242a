"""Compares large objects by number, length and digest, some thousands at a time, with at most a slice of one in memory."""

from __future__ import annotations

from dataclasses import dataclass

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
SELECT oid::bigint, octet_length(piece), encode(sha256(piece), 'hex'), coalesce(obj_description(oid, 'pg_largeobject'), ''),
       CASE WHEN %(with_owners)s THEN pg_get_userbyid(lomowner)::text ELSE '' END,
       CASE WHEN %(with_owners)s THEN (
         SELECT coalesce(string_agg(given.one, ', ' ORDER BY given.one COLLATE "C"), '')
           FROM aclexplode(coalesce(lomacl, acldefault('L', lomowner))) a, LATERAL (
                SELECT concat_ws(' ', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee) END,
                                 a.privilege_type, a.is_grantable)) AS given (one)) ELSE '' END
  FROM (SELECT oid, lomowner, lomacl, lo_get(oid, 0, %(slice)s) AS piece FROM pg_largeobject_metadata
         WHERE oid > %(after)s::bigint::oid AND oid <= %(to)s::bigint::oid OFFSET 0) AS o
"""
FURTHER = """
SELECT octet_length(piece), encode(sha256(piece), 'hex') FROM (SELECT lo_get(%s::bigint::oid, %s, %s) AS piece OFFSET 0) AS o
"""


@dataclass(frozen=True)
class Digest:
    """The compared properties of one large object."""

    length: int
    sha256: str
    comment: str
    owner: str
    rights: str


Digests = dict[int, Digest]


async def compare_large_objects(source: Side, target: Side, *, compares_owners: bool) -> Part:
    """Unknown as a whole if one may not be read. Unwritten holes read as zeros on both sides."""
    part = Part("large objects", how="digests")
    after = 0
    while True:
        try:
            ends = await together(_window(source, after), _window(target, after))
            to = min((end for end in ends if end > after), default=after)
            if to == after:
                return part
            here, there = await together(
                *(_digests(side, after, to, with_owners=compares_owners) for side in (source, target))
            )
        except psycopg.Error as refused:
            part.is_unknown("large objects", f"one with a number above {after} could not be read: {refused}")
            return part
        await _compare(part, source, target, here, there)
        after = to


async def _window(side: Side, after: int) -> int:
    ((end,),) = await side.rows(WINDOW, {"after": after, "at_once": AT_ONCE})
    return int(end)


async def _digests(side: Side, after: int, to: int, *, with_owners: bool) -> Digests:
    values = {"slice": SLICE_BYTES, "after": after, "to": to, "with_owners": with_owners}
    return {oid: Digest(*told) for oid, *told in await side.rows(DIGESTS, values)}


async def _compare(part: Part, source: Side, target: Side, here: Digests, there: Digests) -> None:
    for oid in sorted(here.keys() | there.keys()):
        title = f"large object {oid}"
        if oid not in here or oid not in there:
            part.differs(Difference(title, f"is missing on the {'target' if oid in here else 'source'}"))
            continue
        part.compared += 1
        if here[oid] != there[oid]:
            part.differs(Difference(title, _says(here[oid], there[oid])))
        elif here[oid].length == SLICE_BYTES and (says := await _rest(source, target, oid)):
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


def _says(here: Digest, there: Digest) -> str:
    if here.length != there.length:
        return "has a different length on the target"
    if here.sha256 != there.sha256:
        return f"has different content within its first {here.length} bytes"
    if here.owner != there.owner:
        return f"belongs to {here.owner} on the source and to {there.owner} on the target"
    return (
        "has different rights on the target" if here.rights != there.rights else "has a different comment on the target"
    )
