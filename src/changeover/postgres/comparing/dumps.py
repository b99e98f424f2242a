"""The schema of one side as pg_dump writes it, cut into its objects. Both sides are written by the same pg_dump."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from changeover.hosts.users import run_as_for_clients
from changeover.postgres.comparing.sides import Side
from changeover.postgres.location import SocketLocation
from changeover.postgres.running import exactly, run_client

HEADER = re.compile(
    r"^--\n-- Name: (?P<name>.*?); Type: (?P<type>[A-Z ]+); Schema: (?P<schema>.*?);"
    r" Owner: ?(?P<owner>.*?)(?:; Tablespace: .*)?\n--\n",
    re.MULTILINE,
)
FRAME = re.compile(
    r"^(?:SET default_\w+ = .*;|\\(?:un)?restrict .*|--\n-- PostgreSQL database dump complete\n--)\n?", re.M
)
"""Stands between objects and belongs to none."""


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


def dump_arguments(program: Path, side: Side, *, skip_schemas: Iterable[str], compares_owners: bool) -> list[str]:
    """Where to, and as whom, is in the environment."""
    rights = [] if compares_owners else ["--no-owner", "--no-privileges"]
    encoding = [] if side.encoding == "SQL_ASCII" else ["--encoding=UTF8"]
    skipped = [f"--exclude-schema={exactly(name)}" for name in skip_schemas]
    parts = ["--no-tablespaces", "--no-publications", "--no-subscriptions", "--no-security-labels"]
    asked = ["--schema-only", "--no-password", "--lock-wait-timeout=10s", f"--snapshot={side.snapshot}"]
    return [str(program), *asked, *parts, *rights, *encoding, *skipped]


async def dump_schema(arguments: list[str], side: Side) -> str:
    """Its output. Raises ClientFailed."""
    run_as = (
        None if isinstance(side.location, SocketLocation) else run_as_for_clients()
    )  # it reads what a foreign server sends
    return (await run_client(arguments, side.location, run_as=run_as)).decode("utf-8", errors="surrogateescape")


def things_in(dump: str) -> dict[Thing, str]:
    """What makes each object; several entries of one name are put together."""
    found: dict[Thing, str] = {}
    headers = list(HEADER.finditer(dump))
    for header, following in zip_longest(headers, headers[1:]):
        text = dump[header.end() : following.start() if following else len(dump)]
        thing = Thing(header["type"], header["schema"], header["name"])
        text = f"-- Owner: {header['owner']}\n{FRAME.sub('', text).strip()}"
        found[thing] = f"{found[thing]}\n{text}" if thing in found else text
    return found
