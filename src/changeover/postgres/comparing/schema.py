"""Both schemas, object by object: what is missing, what is made differently, and what only majors write differently."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher

from changeover.errors import NoInstallation
from changeover.postgres.clients import Clients, clients_for, needs_tls
from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.dumps import Thing, dump_arguments, dump_schema, things_in
from changeover.postgres.comparing.normalising import (
    belongs_to_the_server,
    normalised,
    same_but_for_order,
    same_but_for_qualifiers,
    without_newer_words,
)
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.comparing.triggers import compare_triggers
from changeover.postgres.installations import Installation
from changeover.postgres.running import ClientFailed

SHOWN_CHARACTERS = 120


async def compare_schemas(
    source: Side,
    target: Side,
    *,
    installations: Iterable[Installation],
    skip_schemas: list[str],
    compares_owners: bool,
) -> Part:
    """Unknown as a whole where no pg_dump here can read both, or where one of them may not be read."""
    part = Part("schema")
    try:
        clients = _clients(source, target, installations)
        part.how = f"pg_dump {clients.major}"
        here, there = await together(
            *(
                dump_schema(
                    dump_arguments(clients.dump, side, skip_schemas=skip_schemas, compares_owners=compares_owners), side
                )
                for side in (source, target)
            )
        )
    except (NoInstallation, ClientFailed) as failed:
        part.is_unknown("schema", str(failed))
        return part
    await compare_triggers(part, source, target, skip_schemas=skip_schemas)
    compare_things(part, things_in(here), things_in(there), majors=(source.major, target.major))
    return part


def _clients(source: Side, target: Side, installations: Iterable[Installation]) -> Clients:
    newest = max(source.version, target.version)
    tls = needs_tls(source.location) or needs_tls(target.location)
    return clients_for(newest, newest, installations, needs_tls=tls)


def compare_things(part: Part, source: dict[Thing, str], target: dict[Thing, str], *, majors: tuple[int, int]) -> None:
    """Pure: fills the part."""
    for thing in sorted(source.keys() | target.keys()):
        if belongs_to_the_server(thing):
            continue
        part.compared += 1
        if thing not in target or thing not in source:
            missing = "target" if thing in source else "source"
            part.differs(Difference(thing.title, f"is missing on the {missing}"))
            continue
        _compare(part, thing, source[thing], target[thing], majors=majors)


def _compare(part: Part, thing: Thing, source: str, target: str, *, majors: tuple[int, int]) -> None:
    here, there = normalised(thing, source), normalised(thing, target)
    if here == there:
        return
    here, there = (without_newer_words(thing, text, majors) for text in (here, there))
    if here == there:
        return
    older, newer = (there, here) if majors[0] > majors[1] else (here, there)
    if majors[0] != majors[1] and same_but_for_qualifiers(thing, older, newer):
        part.notes.append(f"{thing.title} is the same, but that the newer version writes it with fewer qualifiers")
    elif same_but_for_order(thing, here, there):
        part.differs(Difference(thing.title, "has its columns in another order"))
    else:
        part.differs(Difference(thing.title, f"is made differently: {first_change(here, there)}"))


def first_change(source: str, target: str) -> str:
    """The first lines that are not alike."""
    here, there = source.splitlines(), target.splitlines()
    for kind, i, j, k, m in SequenceMatcher(None, here, there, autojunk=False).get_opcodes():
        if kind != "equal":
            return f"{_short(here[i:j])} on the source, {_short(there[k:m])} on the target"
    return "in its white space"


def _short(lines: list[str]) -> str:
    text = " ".join(" ".join(lines).split())
    return f"`{text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + '…'}`" if text else "nothing"
