"""The schema as pg_dump describes it, taken apart into its entries: each with its identity, owner and SQL.

pg_restore --verbose writes each entry's number, class and oid before its text. The numbers must be those of its own list, each
once, so that no text inside the database can pass for an entry.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from changeover.errors.elsewhere import TransferFailed
from changeover.postgres.clients import Clients
from changeover.postgres.location import Location
from changeover.postgres.running import ClientFailed, exactly, run_client

HEADER: Final = re.compile(
    rb"^--\n-- TOC entry (\d+) \(class (\d+) OID (\d+)\)\n(?:-- Dependencies: [\d ]+\n)?"
    rb"-- (?:Data for )?Name: ([^\n]*); Type: ([^\n;]*); Schema: ([^\n]*); Owner: ([^\n]*)\n(?:-- Data Pos: [^\n]*\n)?--\n",
    re.MULTILINE,
)
ENDING: Final = re.compile(
    rb"(?:^-- Completed on [^\n]*\n\s*)?^--\n-- PostgreSQL database dump complete\n--\n.*\Z", re.M | re.S
)
LISTED: Final = re.compile(rb"^(\d+); (\d+) (\d+) ", re.MULTILINE)

NOT_BROUGHT: Final = {
    "PUBLICATION", "PUBLICATION TABLE", "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION",
    "SUBSCRIPTION TABLE", "DATABASE", "DATABASE PROPERTIES", "TABLESPACE", "ENCODING", "STDSTRINGS", "SEARCHPATH",
}  # fmt: skip
ABOUT: Final = {"COMMENT", "ACL", "SECURITY LABEL"}
"""Entries whose name says what they are about: `EXTENSION hstore`."""


@dataclass(frozen=True)
class Entry:
    """One object, or something said about one."""

    number: int
    class_oid: int
    oid: int
    name: str
    """As pg_restore prints it, without line breaks: for people, and to tell kinds apart."""
    kind: str
    schema: str
    owner: str
    text: bytes

    @property
    def label(self) -> str:
        """For errors and the report: `TABLE public.orders`."""
        return f"{self.kind} {self.name if self.schema == '-' else f'{self.schema}.{self.name}'}"

    @property
    def is_brought(self) -> bool:
        about = self.kind in ABOUT and any(self.name.startswith(f"{kind} ") for kind in NOT_BROUGHT)
        return self.kind not in NOT_BROUGHT and not about

    @property
    def is_event_trigger(self) -> bool:
        """Or says something about one."""
        return self.kind == "EVENT TRIGGER" or (self.kind in ABOUT and self.name.startswith("EVENT TRIGGER "))

    def is_of_extension(self, names: Sequence[str]) -> bool:
        """It makes one of these extensions, or says something about it."""
        if self.kind == "EXTENSION":
            return self.name in names
        return self.kind in ABOUT and any(self.name == f"EXTENSION {exactly(name)}" for name in names)


@dataclass(frozen=True)
class Archive:
    """A dump of the schema alone, in pg_dump's own format."""

    file: Path
    clients: Clients

    async def entries(self, section: str, *, with_owners: bool) -> list[Entry]:
        """Of `pre-data` or `post-data`, in the order in which they can be made. Raises TransferFailed."""
        listed = await _run([self.clients.restore, "--list", f"--section={section}", self.file])
        wanted = [int(number) for number, _, _ in LISTED.findall(listed)]
        owners = [] if with_owners else ["--no-owner", "--no-acl"]
        plain = ["--no-tablespaces", *(["--no-table-access-method"] if self.clients.major >= 15 else [])]
        written = await _run(
            [self.clients.restore, "--verbose", "--file=-", f"--section={section}", *plain, *owners, self.file]
        )
        return split(written, wanted)


def split(text: bytes, listed: Sequence[int]) -> list[Entry]:
    """What pg_restore wrote, entry by entry. Those of `listed` that wrote nothing are left out. Raises TransferFailed."""
    found = list(HEADER.finditer(text))
    body_ends = [match.start() for match in found[1:]]
    if found:
        ending = ENDING.search(text, found[-1].end())
        body_ends.append(ending.start() if ending else len(text))
    made = [_entry(match, text[match.end() : end]) for match, end in zip(found, body_ends, strict=True)]
    place = {number: index for index, number in enumerate(listed)}
    order = [place.get(entry.number, -1) for entry in made]
    if -1 in order or len(set(order)) != len(order):
        raise TransferFailed(
            "The schema could not be read.",
            why="pg_restore's output does not match its own list: some text in the database looks like an entry of it.",
            fix="Look for a comment or default that contains `-- TOC entry`, and change it.",
        )
    return made


def _entry(match: re.Match[bytes], text: bytes) -> Entry:
    number, class_oid, oid = (int(match[group]) for group in (1, 2, 3))
    name, kind, schema, owner = (match[group].decode(errors="replace") for group in (4, 5, 6, 7))
    owner = owner.partition("; Tablespace: ")[0]
    return Entry(number, class_oid, oid, name, kind, schema, "" if owner == "-" else owner, text.strip())


async def dump_schema(
    clients: Clients, source: Location, *, snapshot: str, encoding: str, skip_schemas: Sequence[str], file: Path
) -> Archive:
    """Write the schema at `snapshot` into `file`. Raises TransferFailed with what pg_dump said."""
    skipped = [f"--exclude-schema={exactly(name)}" for name in ("_changeover", *skip_schemas)]
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
    """What one of PostgreSQL's programs wrote. Raises TransferFailed with its last lines."""
    try:
        return await run_client(arguments, location)
    except ClientFailed as failed:
        raise TransferFailed(
            f"{failed.program} could not read the schema.",
            why=failed.said,
            fix="Mend what it names, then run the same again.",
        ) from failed
