"""Tasks for the data and for what is built from a table once its rows are loaded: pieces, keys, indexes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from changeover.postgres.snapshot.archive import Entry
from changeover.postgres.snapshot.board import Hands, Task
from changeover.postgres.snapshot.contents import Contents, Table
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.pieces import Piece
from changeover.postgres.snapshot.schema import naming
from changeover.postgres.snapshot.stream import copy_piece
from changeover.postgres.snapshot.telling import Telling

BUILT: dict[str, str] = {"INDEX": "index", "CONSTRAINT": "key"}
"""Types of entries that are built from a table's rows, and their names in the ledger."""


class Load:
    """Determines the tasks. Skips what the ledger has. `late` are tables that are filled after all others."""

    def __init__(self, contents: Contents, pieces: Sequence[Piece], entries: Sequence[Entry], ledger: Ledger,
                 telling: Telling, *, late: frozenset[int]) -> None:  # fmt: skip
        self.contents, self.ledger, self.telling, self.late = contents, ledger, telling, late
        self.pieces = [piece for piece in pieces if not ledger.has("rows", piece.name)]
        self.trees = {
            oid: tree for table in contents.tables if (tree := table.tree) for oid in (tree.root, *tree.leaves)
        }
        self.left = Counter(self._filled_with(piece.table.oid) for piece in self.pieces)
        self.builds: dict[int, list[Entry]] = defaultdict(list)
        for entry in entries:
            belonging = contents.belongs.get(entry.catalog)
            if entry.kind in BUILT and belonging and not belonging.is_of_view:
                self.builds[belonging.table].append(entry)
        telling.bytes_total = contents.bytes
        telling.bytes_done = contents.bytes - sum(piece.bytes for piece in self.pieces)

    def built_entries(self) -> set[int]:
        """The numbers of the entries that this phase builds."""
        return {entry.number for entries in self.builds.values() for entry in entries}

    def tasks(self) -> list[Task]:
        """Pieces, largest table first, after builds on tables that have no rows or already have them."""
        pieces = [self._copy(piece) for piece in self.pieces if piece.table.oid not in self.late]
        ready = [task for oid in self.builds if not self.left[self._filled_with(oid)] for task in self._builds(oid)]
        return ready + pieces

    def late_tasks(self) -> list[Task]:
        return [self._copy(piece) for piece in self.pieces if piece.table.oid in self.late]

    @property
    def count(self) -> int:
        return len(self.pieces) + sum(len(entries) for entries in self.builds.values())

    def _copy(self, piece: Piece) -> Task:
        filled = self._filled_with(piece.table.oid)

        async def run(hands: Hands) -> None:
            self.telling.says = piece.name
            streamed = _Streamed(self.telling, piece)
            try:
                with naming(f"Table {piece.table.quoted}"):
                    await copy_piece(await hands.reader(), await hands.target(), self.ledger, piece, streamed.add)
            except BaseException:
                streamed.take_back()
                raise
            streamed.settle()
            self.telling.things_done += 1
            self.left[filled] -= 1

        def then() -> Sequence[Task]:
            if self.left[filled]:
                return ()
            return [task for oid in self._filled_by(piece.table) for task in self._builds(oid)]

        return Task(piece.name, run, then=then)

    def _filled_with(self, oid: int) -> int:
        """Tables with the same result are complete only together: a root's rows arrive in any of its partitions."""
        return self.trees[oid].root if oid in self.trees else oid

    def _filled_by(self, table: Table) -> Iterable[int]:
        return (table.tree.root, *sorted(table.tree.leaves)) if table.tree else (table.oid,)

    def _builds(self, oid: int) -> list[Task]:
        """Keys one after the other, because each locks the table, then indexes concurrently."""
        todo = [entry for entry in self.builds.get(oid, ()) if not self.ledger.has(BUILT[entry.kind], entry.key)]
        keys = [entry for entry in todo if entry.kind == "CONSTRAINT"]
        indexes = [entry for entry in todo if entry.kind == "INDEX"]
        return [
            *(build(entry, self.ledger, self.telling, alone_on=frozenset({oid})) for entry in keys),
            *(build(entry, self.ledger, self.telling, beside_on=frozenset({oid})) for entry in indexes),
        ]


def build(
    entry: Entry, ledger: Ledger, telling: Telling, *, alone_on: frozenset[int] = frozenset(),
    beside_on: frozenset[int] = frozenset(),
) -> Task:  # fmt: skip
    """One index or constraint, with the SQL of pg_dump."""
    kind = BUILT.get(entry.kind, entry.kind.lower())

    async def run(hands: Hands) -> None:
        telling.says = entry.label
        target = await hands.target()
        with naming(entry.label):
            async with target.transaction():
                await target.execute(entry.text)
                await ledger.note(target, kind, entry.key)
        ledger.confirm(kind, entry.key)
        telling.things_done += 1

    return Task(entry.label, run, alone_on=alone_on, beside_on=beside_on)


class _Streamed:
    """Adds one piece to the progress: never more than its size, and exactly that at the end."""

    def __init__(self, telling: Telling, piece: Piece) -> None:
        self.telling, self.name, self.whole, self.shown = telling, piece.name, piece.bytes, 0

    def add(self, count: int) -> None:
        step = min(count, self.whole - self.shown)
        self.shown += step
        self.telling.bytes_done += step

    def take_back(self) -> None:
        self.telling.bytes_done -= self.shown
        self.shown = 0

    def settle(self) -> None:
        self.add(self.whole)
