"""Whose the things become: their owner's where the target has the role, and when that is said. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from changeover.postgres.snapshot.archive import Entry


@dataclass(frozen=True)
class Owned:
    """Entries to make, in their order; and `gifts`, what gives some of them away once all is in place."""

    entries: list[Entry]
    gifts: list[Entry]


def owned(entries: Sequence[Entry], ownerless: Mapping[int, Entry], known: set[str], *, is_superuser: bool) -> Owned:
    """A superuser gives each thing away as it is made. Everybody else could then work on it no more, nor may an owner
    always make things where it is: so these give away at the end, what they may."""
    makes, gifts = [], []
    for entry in entries:
        plain = ownerless.get(entry.number, entry)
        is_given = bool(entry.owner) and entry.owner in known
        makes.append(entry if is_given and is_superuser else plain)
        gift = _without_definition(entry, plain)
        if is_given and not is_superuser and gift and gift != entry.text:
            gifts.append(replace(entry, text=gift))
    return Owned(makes, gifts)


def _without_definition(entry: Entry, plain: Entry) -> bytes:
    """What pg_restore wrote after it. With --no-owner it writes a schema anew, and quotes the name only if it must."""
    made = plain.text if entry.text.startswith(plain.text) else entry.toc.definition.strip()
    return entry.text.removeprefix(made).strip()


def of_schemas(rights: Sequence[Entry]) -> list[Entry]:
    """Those on schemas, which grants and owners of what is in them need."""
    return [one for one in rights if one.kind == "ACL" and not one.toc.schema]


def rights_after_gifts(rights: Sequence[Entry], gifts: Sequence[Entry], me: str) -> list[Entry]:
    """Those to be granted once more when things are given away: what an owner lacks of its own rights, and what is granted to the
    role that had made them. While this one owned them neither made a difference."""
    owners = {gift.owner for gift in gifts}
    to_me = b" TO " + sql.Identifier(me).as_bytes()
    return [
        one
        for one in rights
        if one.owner in owners and (to_me in one.text or b" FROM " + sql.Identifier(one.owner).as_bytes() in one.text)
    ]
