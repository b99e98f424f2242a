"""The owners of copied objects: the source's owner if the target has the role, and when it is set. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from psycopg import sql

from changeover.postgres.snapshot.archive import Entry


@dataclass(frozen=True)
class Owned:
    """Entries to create, in order, and `gifts`: statements that set owners once everything exists."""

    entries: list[Entry]
    gifts: list[Entry]


def owned(entries: Sequence[Entry], ownerless: Mapping[int, Entry], known: set[str], *, is_superuser: bool) -> Owned:
    """A superuser sets each owner immediately. Any other role would then lose access to the object, and an owner may lack
    CREATE on the schema, so owners are set at the end, as far as the role may."""
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
    """The rest of pg_restore's output. With --no-owner it rewrites CREATE SCHEMA, quoting the name only if needed."""
    made = plain.text if entry.text.startswith(plain.text) else entry.toc.definition.strip()
    return entry.text.removeprefix(made).strip()


def of_schemas(rights: Sequence[Entry]) -> list[Entry]:
    """The rights on schemas, which grants and owners of objects in them need."""
    return [one for one in rights if one.kind == "ACL" and not one.toc.schema]


def rights_after_gifts(rights: Sequence[Entry], gifts: Sequence[Entry], me: str) -> list[Entry]:
    """The rights to grant again after owners are set: rights that an owner lacks on its own object, and rights of the role that
    created it. While that role owned the objects, neither had an effect."""
    owners = {gift.owner for gift in gifts}
    to_me = b" TO " + sql.Identifier(me).as_bytes()
    return [
        one
        for one in rights
        if one.owner in owners and (to_me in one.text or b" FROM " + sql.Identifier(one.owner).as_bytes() in one.text)
    ]
