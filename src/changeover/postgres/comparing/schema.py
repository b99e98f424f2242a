"""Compares both schemas object by object: what is missing, and what is defined differently."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

import psycopg

from changeover.errors import ChangeoverError, NoInstallation
from changeover.postgres.clients import Clients, clients_for, needs_tls
from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.dumps import OWNER, Thing, dump_arguments, dump_schema, entries_in, things_in
from changeover.postgres.comparing.members import rights_of_members
from changeover.postgres.comparing.normalising import (
    belongs_to_the_server,
    is_about_catalogs,
    normalised,
    same_but_for_order,
    without_newer_words,
)
from changeover.postgres.comparing.rereading import REPRINTED, ReadAgain, definitions_of, read_again
from changeover.postgres.comparing.scratch_server import scratch_server
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.comparing.triggers import compare_triggers, triggers_of_constraints
from changeover.postgres.excluding import NOTHING, Excluded, Name
from changeover.postgres.installations import Installation
from changeover.postgres.running import ClientFailed

SHOWN_CHARACTERS = 120
HAVE_SECRETS = frozenset({"SERVER", "USER MAPPING", "FOREIGN DATA WRAPPER", "SUBSCRIPTION"})
"""Their options may contain passwords, so their texts are never shown."""

PUBLIC = Thing("SCHEMA", "-", "public")
OWNER_OF_PUBLIC = "pg_database_owner"


@dataclass(frozen=True)
class Doubt:
    """An object that both sides have but print differently."""

    thing: Thing
    source: str
    target: str

    @property
    def owners_differ(self) -> bool:
        return owners(self.source) != owners(self.target)

    @property
    def may_be_the_same(self) -> bool:
        """Only a server that parses both can tell whether they are the same."""
        return self.thing.type in REPRINTED and not self.owners_differ

    @property
    def is_as_typed(self) -> bool:
        """A function's quoted body is printed as typed. Its language may not be available on the scratch server."""
        return self.thing.type in ("FUNCTION", "PROCEDURE") and "BEGIN ATOMIC" not in self.source + self.target


@dataclass(frozen=True)
class SchemaReader:
    """Reads the schemas of both sides."""

    source: Side
    target: Side
    clients: Clients
    server: Installation
    """From the same installation as the clients."""
    skip_schemas: list[str]
    skip_tables: Collection[Name] = ()

    async def dumps(self, *, with_owners: bool) -> tuple[str, str]:
        """Raises ClientFailed."""
        here, there = await together(*(self._dump(side, with_owners) for side in (self.source, self.target)))
        return here, there

    async def _dump(self, side: Side, with_owners: bool) -> str:
        arguments = dump_arguments(
            self.clients.dump, encoding=side.encoding, snapshot=side.snapshot, skip_schemas=self.skip_schemas,
            compares_owners=with_owners, skip_tables=self.skip_tables,
        )  # fmt: skip
        return await dump_schema(arguments, side.location)

    async def read_again(self, dumps: tuple[str, str], things: list[Thing]) -> ReadAgain | str:
        """`dumps` have no owners. Returns the reason if it was impossible. Raises ConnectionLost."""
        source, target = await together(definitions_of(self.source, dumps[0]), definitions_of(self.target, dumps[1]))
        try:
            async with scratch_server(self.server) as server:
                return await read_again(server, source, target, things)
        except (ClientFailed, ChangeoverError, psycopg.Error) as failed:
            return str(failed)


async def compare_schemas(
    source: Side,
    target: Side,
    *,
    installations: Iterable[Installation],
    skip_schemas: list[str],
    compares_owners: bool,
    excluded: Excluded = NOTHING,
    decides: bool = True,
) -> Part:
    """If not `decides`, rights on system catalogs that only the target has are a note: they were there before a migration.

    Unknown as a whole if no pg_dump here can read both, or if one of them may not be read."""
    part, known = Part("schema"), list(installations)
    try:
        clients = _clients(source, target, known)
        server = next(one for one in known if one.bin_directory == clients.dump.parent)
        reader = SchemaReader(source, target, clients, server, skip_schemas, excluded.tables)
        here, there = await reader.dumps(with_owners=compares_owners)
    except (NoInstallation, ClientFailed) as failed:
        part.is_unknown("schema", str(failed))
        return part
    part.how = f"pg_dump {clients.major}"
    await compare_triggers(part, source, target, skip_schemas=skip_schemas, excluded=excluded)
    majors = (source.major, target.major)
    members = set[Thing]().union(*await together(rights_of_members(source), rights_of_members(target)))
    things = [
        {thing: made for thing, made in things_in(entries_in(dump)).items() if thing not in left_out}
        for dump, left_out in zip(
            (here, there), await together(*map(triggers_of_constraints, (source, target))), strict=True
        )
    ]
    with_public(*things, compares_owners=compares_owners)
    doubts = compare_things(part, *things, majors=majors, members=members, decides=decides)
    await _settle(part, doubts, reader, None if compares_owners else (here, there))
    return part


def _clients(source: Side, target: Side, installations: Iterable[Installation]) -> Clients:
    newest = max(source.version, target.version)
    tls = needs_tls(source.location) or needs_tls(target.location)
    return clients_for(newest, newest, installations, needs_tls=tls)


def with_public(*sides: dict[Thing, str], compares_owners: bool) -> None:
    """Pure: pg_dump lists schema public only if its owner was changed, and then says nothing but the owner. Each side gets it."""
    for things in sides:
        if not compares_owners:
            things.pop(PUBLIC, None)
        elif any(PUBLIC in side for side in sides):
            things.setdefault(PUBLIC, f"{OWNER}{OWNER_OF_PUBLIC}")


def compare_things(
    part: Part,
    source: dict[Thing, str],
    target: dict[Thing, str],
    *,
    majors: tuple[int, int],
    members: Collection[Thing] = (),
    decides: bool = True,
) -> list[Doubt]:
    """Pure: adds missing objects to the part, and returns those printed differently. For `members`, both are only notes."""
    doubts = []
    for thing in sorted(source.keys() | target.keys()):
        if belongs_to_the_server(thing, majors):
            continue
        part.compared += 1
        if thing in members:
            if source.get(thing) != target.get(thing):
                part.notes.append(f"{thing.title} differs, but it concerns an object of an extension")
            continue
        if thing not in target or thing not in source:
            missing = Difference(thing.title, f"is missing on the {'target' if thing in source else 'source'}")
            if decides or thing in source or not is_about_catalogs(thing):
                part.differs(missing)
            else:
                part.notes.append(str(missing))
            continue
        texts = [normalised(thing, text) for text in (source[thing], target[thing])]
        if texts[0] != texts[1]:
            texts = [without_newer_words(thing, text, majors) for text in texts]
        if texts[0] != texts[1]:
            doubts.append(Doubt(thing, *texts))
    return doubts


async def _settle(part: Part, doubts: list[Doubt], reader: SchemaReader, dumps: tuple[str, str] | None) -> None:
    """Let one server parse and print what a server may print differently. `dumps` have no owners."""
    reprinted = [doubt.thing for doubt in doubts if doubt.may_be_the_same]
    again: ReadAgain | str = ""
    if reprinted:
        try:
            dumps = dumps or await reader.dumps(with_owners=False)
        except ClientFailed as failed:
            again = str(failed)
        else:
            again = await reader.read_again(dumps, reprinted)
    majors = (reader.source.major, reader.target.major)
    for doubt in doubts:
        if doubt.may_be_the_same:
            judge_again(part, doubt, again, majors=majors)
        else:
            part.differs(_difference(doubt))


def judge_again(part: Part, doubt: Doubt, again: ReadAgain | str, *, majors: tuple[int, int]) -> None:
    """Pure: equal, different, or unknown, after one server printed both definitions. A str says why it could not."""
    thing, why = doubt.thing, again if isinstance(again, str) else again.refused.get(doubt.thing, "")
    texts = [] if isinstance(again, str) else [side[thing] for side in (again.source, again.target) if thing in side]
    if (why or len(texts) < 2) and doubt.is_as_typed:
        part.differs(_difference(doubt))
    elif why or len(texts) < 2:
        says = "is printed differently, and it could not be determined whether it means the same"
        part.is_unknown(thing.title, f"{says}: {why or 'it could not be created there'}")
    else:
        here, there = (without_newer_words(thing, normalised(thing, text), majors) for text in texts)
        if here != there:
            part.differs(_difference(Doubt(thing, here, there)))


def _difference(doubt: Doubt) -> Difference:
    thing = doubt.thing
    if doubt.owners_differ:
        here, there = (", ".join(sorted(owners(text))) for text in (doubt.source, doubt.target))
        return Difference(thing.title, f"belongs to {here} on the source and to {there} on the target")
    if thing.type in HAVE_SECRETS:
        return Difference(thing.title, "is defined differently (its options may contain secrets and are not shown)")
    if same_but_for_order(thing, doubt.source, doubt.target):
        return Difference(thing.title, "has its columns in a different order")
    return Difference(thing.title, f"is defined differently: {first_change(doubt.source, doubt.target)}")


def owners(text: str) -> set[str]:
    """The owners in an object's text."""
    return {line.removeprefix(OWNER) for line in text.splitlines() if line.startswith(OWNER)}


def first_change(source: str, target: str) -> str:
    """The first lines that differ."""
    here, there = source.splitlines(), target.splitlines()
    for kind, i, j, k, m in SequenceMatcher(None, here, there, autojunk=False).get_opcodes():
        if kind != "equal":
            return f"{_short(here[i:j])} on the source, {_short(there[k:m])} on the target"
    return "in its whitespace"


def _short(lines: list[str]) -> str:
    text = " ".join(" ".join(lines).split())
    return f"`{text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + '…'}`" if text else "nothing"
