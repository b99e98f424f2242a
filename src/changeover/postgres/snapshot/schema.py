"""Creates an archive's entries on the target, a batch per transaction together with its row in the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

import asyncpg
import psycopg

from changeover.errors import DiskFull
from changeover.errors.elsewhere import TransferFailed
from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.archive import Entry
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.sessions import is_lost, one_line

BATCH: Final = 800
"""Entries in one transaction. Each can hold several locks, and a server has about 6,400 by default."""
STATEMENTS: Final = re.compile(rb"(?:'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^;'\"])+;", re.DOTALL)
"""Splits rights and comments, which contain no dollar quotes."""
MISSING: Final = ("42P01", "42883", "42704", "42703", "3F000")
"""A table, function, type or other object, column, or schema is missing."""
CAN_BE_LEFT_OUT: Final = (
    psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject, psycopg.errors.FeatureNotSupported,
    psycopg.errors.InvalidParameterValue,
)  # fmt: skip
"""The last two: a sequence whose table's owner could not be changed, SET SESSION AUTHORIZATION to a missing grantor, and a
security label whose provider isn't loaded."""
HINTS: Final = {
    "42501": "Grant the target's role that right, or migrate as a role that has it.",
    "42883": "A function relies on search_path to find what it calls: `ALTER FUNCTION … SET search_path = …` on the source.",
    "42P01": "A function relies on search_path to find its tables: `ALTER FUNCTION … SET search_path = …` on the source.",
    "58P01": "Install the extension's package on the target's server.",
    "0A000": "The target's version or build does not support it. Install what is missing, or change the object on the source.",
    "22021": "Use the source's encoding on the target, or correct these bytes on the source: they are invalid in the target's.",
    "22P05": "Use an encoding on the target that has these characters, such as UTF8.",
    "23505": "The source has rows that violate its own constraint (a corrupt index?). REINDEX it there and correct the rows.",
    "53200": "Raise max_locks_per_transaction or the memory of the target, then run the command again.",
}


class LeftOut(NamedTuple):
    """A statement that the target refused. The ledger keeps it as a list."""

    title: str
    """The entry's title, as a comparison shows it."""
    says: str


async def make(connection: Connection, ledger: Ledger, entries: Sequence[Entry], kind: str) -> None:
    """Create all `entries` in order, in as few transactions as is safe. Raises TransferFailed that names the entry."""
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        name = f"{batch[0].number}-{batch[-1].number}"
        if not ledger.has(kind, name):
            await _make_batch(connection, ledger, batch, kind, name)


async def _make_batch(connection: Connection, ledger: Ledger, batch: Sequence[Entry], kind: str, name: str) -> None:
    try:
        async with connection.transaction():
            await connection.execute(b"\n".join(entry.text for entry in batch))
            await ledger.note(connection, kind, name)
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        await _name_culprit(connection, batch)
        raise failed_at("the schema", refused) from refused
    ledger.confirm(kind, name)


async def _name_culprit(connection: Connection, batch: Sequence[Entry]) -> None:
    """Run them one by one and roll back. Raises TransferFailed for the entry that the server refuses."""
    async with connection.transaction(force_rollback=True):
        for entry in batch:
            try:
                await connection.execute(entry.text)
            except psycopg.Error as refused:
                if is_lost(refused):
                    raise
                raise failed_at(entry.label, refused) from refused


async def make_in_rounds(connection: Connection, ledger: Ledger, entries: Sequence[Entry], kind: str) -> None:
    """Like `make`, but entries that fail because something is missing are tried again at the end.

    pg_dump doesn't know what a function reads. Raises TransferFailed that names the first entry that can't be created.
    """
    aside: list[Entry] = []
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        name = f"{batch[0].number}-{batch[-1].number}"
        if not ledger.has(kind, name):
            try:
                await _make_batch(connection, ledger, batch, kind, name)
            except TransferFailed:
                await _make_what_is_ready(connection, ledger, batch, kind, name)
        left = set(ledger.of(kind)[name].get("aside", ()))
        aside += [entry for entry in batch if entry.number in left]
    todo = [entry for entry in aside if not ledger.has(f"{kind} aside", str(entry.number))]
    while todo:
        refused = [(entry, why) for entry in todo if (why := await _try(connection, ledger, entry, f"{kind} aside"))]
        if len(refused) == len(todo):
            raise failed_at(refused[0][0].label, refused[0][1])
        todo = [entry for entry, _ in refused]


async def _make_what_is_ready(
    connection: Connection, ledger: Ledger, batch: Sequence[Entry], kind: str, name: str
) -> None:
    """Raises TransferFailed for an entry that fails for another reason than a missing object."""
    aside = []
    async with connection.transaction():
        for entry in batch:
            try:
                async with connection.transaction():
                    await connection.execute(entry.text)
            except psycopg.Error as refused:
                if is_lost(refused):
                    raise
                if refused.sqlstate not in MISSING:
                    raise failed_at(entry.label, refused) from refused
                aside.append(entry.number)
        await ledger.note(connection, kind, name, aside=aside)
    ledger.confirm(kind, name, aside=aside)


async def _try(connection: Connection, ledger: Ledger, entry: Entry, kind: str) -> psycopg.Error | None:
    """The server's error, if any."""
    try:
        async with connection.transaction():
            await connection.execute(entry.text)
            await ledger.note(connection, kind, str(entry.number))
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        return refused
    ledger.confirm(kind, str(entry.number))
    return None


async def make_leniently(connection: Connection, ledger: Ledger, entries: Sequence[Entry], kind: str) -> list[LeftOut]:
    """For rights, comments and labels: skips statements that the target's role may not run, or whose role or label provider
    is missing.

    Returns what was skipped, also by earlier attempts. Tries a whole batch first.
    """
    left_out: list[LeftOut] = []
    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        name = f"{batch[0].number}-{batch[-1].number}"
        if not ledger.has(kind, name):
            try:
                await _make_batch(connection, ledger, batch, kind, name)
            except TransferFailed:
                async with connection.transaction():
                    lost = [one for entry in batch for one in await _make_what_can_be(connection, entry)]
                    await ledger.note(connection, kind, name, left_out=lost)
                ledger.confirm(kind, name, left_out=lost)
        left_out += [LeftOut(*one) for one in ledger.of(kind)[name].get("left_out", ())]
    return left_out


async def _make_what_can_be(connection: Connection, entry: Entry) -> list[LeftOut]:
    left_out = []
    for statement in STATEMENTS.findall(entry.text):
        try:
            async with connection.transaction():
                await connection.execute(statement)
        except CAN_BE_LEFT_OUT as refused:
            left_out.append(LeftOut(entry.title, f"{entry.label}: {one_line(refused)}"))
        except psycopg.Error as refused:
            if is_lost(refused):
                raise
            raise failed_at(entry.label, refused) from refused
    return left_out


@contextmanager
def naming(label: str) -> Iterator[None]:
    """Converts a server's error inside into a TransferFailed that names `label`. A lost session is raised unchanged."""
    try:
        yield
    except (psycopg.Error, asyncpg.PostgresError) as refused:
        if is_lost(refused):
            raise
        raise failed_at(label, refused) from refused


def failed_at(label: str, refused: BaseException) -> TransferFailed | DiskFull:
    """The error for an object that the server refused, with the server's message."""
    state = getattr(refused, "sqlstate", None) or ""
    if state == "53100":
        return DiskFull(
            f"The target's disk is full: {label} could not be copied.",
            why=f"The server answered: {one_line(refused)}",
            fix="Free some space there, then run the command again. Completed work is kept.",
        )
    fix = HINTS.get(state, "Fix the reported problem, then run the command again. Completed work is kept.")
    return TransferFailed(
        f"{label} could not be transferred.", why=f"The server answered: {one_line(refused)}", fix=fix
    )
