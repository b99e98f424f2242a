"""Splits a schema dump into entries, each with its identity, owner and SQL.

Entries come from the archive's table of contents. Their SQL is what pg_restore --verbose prints after an entry's number,
class and oid. Parsing skips an entry's known definition, so no text in the database can be mistaken for the next entry.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg import sql

from changeover.errors.elsewhere import TransferFailed
from changeover.postgres.clients import Clients
from changeover.postgres.excluding import Name
from changeover.postgres.location import Location
from changeover.postgres.running import ClientFailed, exactly, run_client
from changeover.postgres.toc import NotRead, TocEntry, read_toc

HEADER: Final = re.compile(
    rb"^--\n-- TOC entry (\d+) \(class (\d+) OID (\d+)\)\n(?:-- Dependencies: [\d ]+\n)?"
    rb"-- (?:Data for )?Name: [^\n]*; Type: [^\n;]*; Schema: [^\n]*; Owner: [^\n]*\n(?:-- Data Pos: [^\n]*\n)?--\n+",
    re.MULTILINE,
)
ENDING: Final = re.compile(
    rb"(?:^-- Completed on [^\n]*\n\s*)?^--\n-- PostgreSQL database dump complete\n--\n.*\Z", re.M | re.S
)

NOT_BROUGHT: Final = {
    "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION",
    "SUBSCRIPTION TABLE", "DATABASE", "DATABASE PROPERTIES", "TABLESPACE", "ENCODING", "STDSTRINGS", "SEARCHPATH",
}  # fmt: skip
ABOUT: Final = {"COMMENT", "ACL", "SECURITY LABEL"}
"""Entries whose name gives their subject: `EXTENSION hstore`."""


@dataclass(frozen=True)
class Entry:
    """One object, or a property of one such as a comment."""

    toc: TocEntry
    text: bytes

    @property
    def number(self) -> int:
        return self.toc.number

    @property
    def kind(self) -> str:
        return self.toc.kind

    @property
    def name(self) -> str:
        return self.toc.name

    @property
    def owner(self) -> str:
        return self.toc.owner

    @property
    def catalog(self) -> tuple[int, int]:
        """Class and oid of the object on the source. Identifies it however its name is written."""
        return self.toc.class_oid, self.toc.oid

    @property
    def key(self) -> str:
        """Its key in the ledger."""
        return f"{self.toc.class_oid}/{self.toc.oid}"

    @property
    def label(self) -> str:
        """For errors and the report: `TABLE public.orders`."""
        return f"{self.kind} {self._place}"

    @property
    def title(self) -> str:
        """As comparisons name it: `table public.orders`."""
        return f"{self.kind.lower()} {self._place}"

    @property
    def _place(self) -> str:
        return f"{self.toc.schema}.{self.name}" if self.toc.schema else self.name

    @property
    def is_brought(self) -> bool:
        about = self.kind in ABOUT and any(self.name.startswith(f"{kind} ") for kind in NOT_BROUGHT)
        return self.kind not in NOT_BROUGHT and not about

    @property
    def is_event_trigger(self) -> bool:
        """Whether it is an event trigger or concerns one."""
        return self.kind == "EVENT TRIGGER" or (self.kind in ABOUT and self.name.startswith("EVENT TRIGGER "))

    def is_of_extension(self, names: Sequence[str]) -> bool:
        """Whether it creates one of these extensions or concerns one."""
        if self.kind == "EXTENSION":
            return self.name in names
        return self.kind in ABOUT and any(self.name == f"EXTENSION {exactly(name)}" for name in names)


@dataclass(frozen=True)
class Archive:
    """A schema-only dump in pg_dump's custom format."""

    file: Path
    clients: Clients

    async def entries(self, section: str, *, with_owners: bool) -> list[Entry]:
        """The entries of `pre-data` or `post-data`, in the order they can be created. Raises TransferFailed."""
        owners = [] if with_owners else ["--no-owner", "--no-acl"]
        plain = ["--no-tablespaces", *(["--no-table-access-method"] if self.clients.major >= 15 else [])]
        written = await _run(
            [self.clients.restore, "--verbose", "--file=-", f"--section={section}", *plain, *owners, self.file]
        )
        return split(written, {entry.number: entry for entry in self._toc()})

    def _toc(self) -> list[TocEntry]:
        try:
            with self.file.open("rb") as stream:
                return read_toc(stream)
        except NotRead as unknown:
            raise TransferFailed(
                "The schema could not be read.", why=f"The output of {self.clients.dump} can't be read. {unknown}",
                fix="Use a pg_dump of PostgreSQL 12 to 18.",
            ) from unknown  # fmt: skip


def split(written: bytes, toc: Mapping[int, TocEntry]) -> list[Entry]:
    """Splits pg_restore's output into entries. Entries without output are left out. Raises TransferFailed."""
    found: list[tuple[TocEntry, int, int]] = []
    """Each with the offsets of its header and its text."""
    at, seen = 0, set[int]()
    while match := HEADER.search(written, at):
        entry = toc.get(int(match[1]))
        if entry is None or (entry.class_oid, entry.oid) != (int(match[2]), int(match[3])) or entry.number in seen:
            raise TransferFailed(
                "The schema could not be read.",
                why=f"pg_restore printed an entry {match[1].decode()} that the archive does not list.",
                fix="Report this, with the versions of pg_dump and pg_restore (`changeover doctor`).",
            )
        seen.add(entry.number)
        found.append((entry, match.start(), match.end()))
        is_next = written.startswith(entry.definition, match.end())
        at = match.end() + (len(entry.definition) if is_next else 0)
    ending = ENDING.search(written, at)
    ends = [header for _, header, _ in found[1:]] + [ending.start() if ending else len(written)]
    texts = [written[begin:end].strip() for (_, _, begin), end in zip(found, ends, strict=False)]
    return [Entry(entry, _with_access_method(entry, text)) for (entry, _, _), text in zip(found, texts, strict=True)]


def with_needed(before: Sequence[Entry], after: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Both sections of an archive, after moving entries that the first one needs from the second.

    A table's default can call a function whose body groups by a primary key. Then the key and the function come before the table,
    although pg_dump puts both into the section that is made after the data.
    """
    late = {one.number: one for one in after}
    needed, asked = set[int](), [number for one in before for number in one.toc.depends]
    while asked:
        number = asked.pop()
        if number in late and number not in needed:
            needed.add(number)
            asked += late[number].toc.depends
    first = [*before, *(one for one in after if one.number in needed)]
    return sorted(first, key=lambda one: one.toc.position), [one for one in after if one.number not in needed]


def depending(entries: Sequence[Entry], numbers: Collection[int]) -> list[Entry]:
    """The entries that directly or indirectly depend on these, in their order."""
    found = set(numbers)
    while more := {one.number for one in entries if one.number not in found and found.intersection(one.toc.depends)}:
        found |= more
    return [one for one in entries if one.number in found.difference(numbers)]


def _with_access_method(entry: TocEntry, text: bytes) -> bytes:
    """pg_restore would set it before the entry's header, for all later entries. Our sessions set `heap`."""
    if entry.access_method in ("", "heap") or entry.kind not in ("TABLE", "MATERIALIZED VIEW"):
        return text
    name = sql.Identifier(entry.access_method).as_bytes()
    if entry.relkind == "p":
        table = sql.Identifier(entry.schema, entry.name).as_bytes()
        return text + b"\nALTER TABLE " + table + b" SET ACCESS METHOD " + name + b";"
    made = len(entry.definition.strip())  # the ALTER … OWNER follows
    there, back = b"SET default_table_access_method = %b;\n" % name, b"\nSET default_table_access_method = heap;"
    return there + text[:made] + back + text[made:]


async def dump_schema(
    clients: Clients,
    source: Location,
    *,
    snapshot: str,
    encoding: str,
    skip_schemas: Sequence[str],
    skip_tables: Sequence[Name] = (),
    file: Path,
) -> Archive:
    """Write the schema at `snapshot` into `file`. Raises TransferFailed with pg_dump's output."""
    skipped = [f"--exclude-schema={exactly(name)}" for name in ("_changeover", *skip_schemas)]
    skipped += [f"--exclude-table={exactly(schema)}.{exactly(name)}" for schema, name in skip_tables]
    await _run(
        [
            *(clients.dump, "--format=custom", "--schema-only", "--no-password", "--quote-all-identifiers"),
            *(f"--snapshot={snapshot}", f"--encoding={encoding}", "--lock-wait-timeout=60s"),
            *("--no-subscriptions", *skipped, f"--file={file}"),
        ],
        source,
    )
    return Archive(file, clients)


async def _run(arguments: Sequence[str | Path], location: Location | None = None) -> bytes:
    """The output of a PostgreSQL program. Raises TransferFailed with its last lines."""
    try:
        return await run_client(arguments, location)
    except ClientFailed as failed:
        raise TransferFailed(
            f"{failed.program} could not read the schema.",
            why=failed.said,
            fix="Fix the reported problem, then run the command again.",
        ) from failed
