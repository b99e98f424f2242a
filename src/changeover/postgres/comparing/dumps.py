"""Splits the schema of one side, as pg_dump prints it, into objects. The same pg_dump is used for both sides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from changeover.hosts.users import run_as_for_clients
from changeover.postgres.excluding import Name
from changeover.postgres.location import Location, SocketLocation
from changeover.postgres.running import exactly, run_client

HEADER = re.compile(
    r"^--\n-- Name: (?P<name>.*?); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*?);"
    r" Owner: ?(?P<owner>.*?)(?:; Tablespace: .*)?\n--\n",
    re.MULTILINE,
)
FRAME = re.compile(
    r"^(?:SET default_\w+ = .*;|\\(?:un)?restrict .*|--\n-- PostgreSQL database dump complete\n--)\n?", re.M
)
"""Lines between objects."""
OWNER = "-- Owner: "
"""Begins the first line of an object's text."""


@dataclass(frozen=True, order=True)
class Thing:
    """One object of a schema."""

    type: str
    schema: str
    name: str

    @property
    def title(self) -> str:
        place = "" if self.schema == "-" else f"{self.schema}."
        return f"{self.type.lower()} {place}{self.name}"


@dataclass(frozen=True)
class Entry:
    """One entry of a dump: the statements that create an object or a part of it."""

    thing: Thing
    owner: str
    text: str


def dump_arguments(
    program: Path,
    *,
    encoding: str,
    snapshot: str,
    skip_schemas: Iterable[str],
    compares_owners: bool,
    skip_tables: Iterable[Name] = (),
) -> list[str]:
    """The address and the user are passed in the environment. Without a `snapshot`, pg_dump takes its own."""
    rights = [] if compares_owners else ["--no-owner", "--no-privileges"]
    printed = [] if encoding == "SQL_ASCII" else ["--encoding=UTF8"]
    skipped = [f"--exclude-schema={exactly(name)}" for name in skip_schemas]
    skipped += [f"--exclude-table={exactly(schema)}.{exactly(name)}" for schema, name in skip_tables]
    parts = ["--no-tablespaces", "--no-publications", "--no-subscriptions", "--no-security-labels"]
    asked = ["--schema-only", "--no-password", "--lock-wait-timeout=10s"]
    moment = [f"--snapshot={snapshot}"] if snapshot else []
    return [str(program), *asked, *moment, *parts, *rights, *printed, *skipped]


async def dump_schema(arguments: list[str], location: Location) -> str:
    """The output of pg_dump. Raises ClientFailed."""
    run_as = (
        None if isinstance(location, SocketLocation) else run_as_for_clients()
    )  # it parses data from a foreign server
    return (await run_client(arguments, location, run_as=run_as)).decode("utf-8", errors="surrogateescape")


def entries_in(dump: str) -> Iterator[Entry]:
    """The entries in the dump's order, in which they can be created."""
    headers = list(HEADER.finditer(dump))
    for header, following in zip_longest(headers, headers[1:]):
        text = dump[header.end() : following.start() if following else len(dump)]
        thing = Thing(header["type"], header["schema"], header["name"])
        yield Entry(thing, header["owner"], FRAME.sub("", text).strip())


def things_in(entries: Iterable[Entry]) -> dict[Thing, str]:
    """The text of each object. Entries with the same name are joined."""
    found: dict[Thing, str] = {}
    for entry in entries:
        text = f"{OWNER}{entry.owner}\n{entry.text}"
        found[entry.thing] = f"{found[entry.thing]}\n{text}" if entry.thing in found else text
    return found
