"""Makes the entries of an archive on the target, a batch in one transaction with its row in the ledger."""

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
"""Entries in one transaction: each can hold several locks, of which a server has about 6,400 by default."""
STATEMENTS: Final = re.compile(rb"(?:'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[^;'\"])+;", re.DOTALL)
"""Of rights and comments, which have no dollar quotes."""
MISSING: Final = ("42P01", "42883", "42704", "42703", "3F000")
"""A table, function, type or other object, column, schema that is not there."""
CAN_BE_LEFT_OUT: Final = (
    psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedObject, psycopg.errors.FeatureNotSupported,
    psycopg.errors.InvalidParameterValue,
)  # fmt: skip
"""The last two: a sequence stays with its table, whose owner could not be changed; SET SESSION AUTHORIZATION to a grantor that
isn't there, and a label whose provider isn't loaded."""
HINTS: Final = {
    "42501": "Give the target's role that right, or move with a role that has it.",
    "42883": "A function finds its parts by search_path only: `ALTER FUNCTION … SET search_path = …` on the source.",
    "42P01": "A function finds its tables by search_path only: `ALTER FUNCTION … SET search_path = …` on the source.",
    "58P01": "Install the extension's package on the target's server.",
    "0A000": "The target's version or build lacks it: install what is missing there, or change the object on the source.",
    "22021": "Give the target the source's encoding, or mend these bytes on the source: they aren't text in the target's.",
    "22P05": "Give the target an encoding that knows these characters, such as UTF8.",
    "23505": "The source holds rows that break its own constraint (a broken index?): REINDEX there and mend the rows.",
    "53200": "Raise max_locks_per_transaction or the memory of the target, then run the same again.",
}


class LeftOut(NamedTuple):
    """A statement that the target refused. The ledger keeps it as a list."""

    title: str
    """Of the entry, as a comparison calls it."""
    says: str


async def make(connection: Connection, ledger: Ledger, entries: Sequence[Entry], kind: str) -> None:
    """All of `entries`, in their order, in as few transactions as is safe. Raises TransferFailed that names the entry."""
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
    """The same one by one, and nothing of it stays. Raises TransferFailed at the entry that the server refuses."""
    async with connection.transaction(force_rollback=True):
        for entry in batch:
            try:
                await connection.execute(entry.text)
            except psycopg.Error as refused:
                if is_lost(refused):
                    raise
                raise failed_at(entry.label, refused) from refused


async def make_in_rounds(connection: Connection, ledger: Ledger, entries: Sequence[Entry], kind: str) -> None:
    """As `make`; but what is refused because it needs something that isn't there yet is tried again at the end.

    pg_dump knows nothing of what a function reads. Raises TransferFailed that names the first entry that can't be made at all.
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
    """Raises TransferFailed for what is refused for another reason than that something is missing."""
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
    """What it is refused for."""
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
    """Rights, comments and labels: left out is a statement that the target's role may not run, or whose role or provider of
    labels isn't there.

    Returns what was left out, also by an attempt before this one. Tries all at once first.
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
    """A refusal of a server inside becomes a TransferFailed that names `label`; a lost session stays what it is."""
    try:
        yield
    except (psycopg.Error, asyncpg.PostgresError) as refused:
        if is_lost(refused):
            raise
        raise failed_at(label, refused) from refused


def failed_at(label: str, refused: BaseException) -> TransferFailed | DiskFull:
    """A thing that the server refused, by name, with what it answered."""
    state = getattr(refused, "sqlstate", None) or ""
    if state == "53100":
        return DiskFull(
            f"The target's disk is full: {label} does not fit.",
            why=f"The server answered: {one_line(refused)}",
            fix="Make room there, then run the same again: what is done is kept.",
        )
    fix = HINTS.get(state, "Mend what the server names, then run the same again: what is done is kept.")
    return TransferFailed(
        f"{label} could not be brought over.", why=f"The server answered: {one_line(refused)}", fix=fix
    )
