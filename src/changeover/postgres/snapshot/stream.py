"""Copies one piece of a table directly from one session's COPY to the other's, and records it in the ledger."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Callable
from typing import Any

from changeover.errors.elsewhere import ConnectionLost
from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.pieces import Piece, emptying, reading, writing


class _TargetSpoke(Exception):
    """The target sent a message during a COPY. It is nearly always an error, so the rest need not be sent."""


async def copy_piece(
    reader: Any, target: Connection, ledger: Ledger, piece: Piece, told: Callable[[int], None]
) -> None:
    """Copy the rows in one transaction. `told` is called with the number of bytes of each part.

    Raises the drivers' errors, and ConnectionLost if it stopped without a reason. Then neither session is usable.
    """
    facts: dict[str, Any] = {"bytes": 0}
    began = time.monotonic()
    async with target.transaction():
        if statement := emptying(piece):
            await target.execute(statement)
        is_whole = False
        async with target.cursor() as cursor, cursor.copy(writing(piece)) as copy:
            answered = select.poll()
            answered.register(target.pgconn.socket, select.POLLIN)

            async def pass_on(part: bytes) -> None:
                if answered.poll(0):
                    raise _TargetSpoke
                await copy.write(part)
                facts["bytes"] += len(part)
                told(len(part))

            with contextlib.suppress(_TargetSpoke):  # leaving the block asks for the target's error and raises it
                facts["rows"] = await _read(reader, piece, pass_on)
                is_whole = True
        if not is_whole:
            raise ConnectionLost(f"The target aborted the copy of {piece.name}.", fix="It is tried again.")
        facts["seconds"] = round(time.monotonic() - began, 3)
        await ledger.note(target, "rows", piece.name, **facts)
    ledger.confirm("rows", piece.name, **facts)


async def _read(reader: Any, piece: Piece, pass_on: Any) -> int:
    """Returns the number of rows."""
    form = "binary" if piece.table.is_plain else "text"
    query = reading(piece)
    if query is not None:
        return _counted(await reader.copy_from_query(query, output=pass_on, format=form))
    columns = list(piece.table.columns) or None
    said = await reader.copy_from_table(
        piece.table.name, schema_name=piece.table.schema, columns=columns, output=pass_on, format=form
    )
    return _counted(said)


def _counted(said: str) -> int:
    """The row count of a command tag: `COPY 12`."""
    return int(said.rpartition(" ")[2])
