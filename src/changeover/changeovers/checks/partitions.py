"""Finds rows that belong to a different partition on the target, because some hashes differ between databases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg import sql

from changeover.changeovers.checks.finding import Answer, Answers, check, failed, named, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.scanning import scan
from changeover.postgres.partition_trees import HASHED_DIFFERENTLY, TREES, trees_of

WITHIN_S = 2.0
_BY_HASH: LiteralString = f"""
SELECT mine.oid::bigint, mine.nspname::text, mine.relname::text, mine.name, pg_get_partkeydef(mine.oid),
       ARRAY(SELECT c.oid::bigint FROM pg_partition_tree(mine.oid) JOIN pg_class c ON c.oid = relid
              WHERE c.relkind = 'r' ORDER BY 1),
       ARRAY(SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
               FROM pg_partition_tree(mine.oid) JOIN pg_class c ON c.oid = relid
               JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' ORDER BY c.oid)
  FROM mine JOIN pg_partitioned_table p ON p.partrelid = mine.oid WHERE {HASHED_DIFFERENTLY} ORDER BY 2, 3"""  # noqa: S608 - constants of ours
_TREES: LiteralString = f"SELECT * FROM ({TREES}) trees"  # noqa: S608 - a constant of ours


@dataclass(frozen=True)
class ByHash:
    """A table that is partitioned by the hash of such values."""

    oid: int
    schema: str
    table: str
    label: str
    key: str
    leaves: list[int]
    """Oids of the partitions with rows, except foreign ones, because reading those would access another server."""
    leaf_names: list[str]

    @property
    def probe(self) -> sql.Composed:
        parts = [sql.SQL("SELECT 1 FROM ONLY ") + sql.SQL(name) for name in self.leaf_names]  # the server has quoted it
        return sql.SQL(" UNION ALL ").join([sql.SQL("SELECT 1 WHERE false"), *parts])

    @property
    def query(self) -> str:
        return (
            sql.SQL("SELECT tableoid::regclass, count(*) FROM {} GROUP BY 1;")
            .format(sql.Identifier(self.schema, self.table))
            .as_string()
        )


@check("C36", "No row's partition depends on the database")
async def by_hash(look: Look) -> Answers:
    """Such rows are loaded through the partitioned table if possible. Empty tables don't matter."""
    differ = look.target is not None and look.target.identity.encoding != look.source.identity.encoding
    tables = [ByHash(*row) for row in await look.source.rows(_BY_HASH, encodings_differ=differ)]
    trees = trees_of(await look.source.rows(_TREES, encodings_differ=differ))
    loaded_through_root = frozenset[int]().union(*(tree.leaves for tree in trees))
    found = await scan(look.source, tables, within_s=WITHIN_S)
    for one in found.broken:
        yield _moves(one) if loaded_through_root.intersection(one.leaves) else _fails(one)
    left = [
        one
        for one in [*(one for one, _ in found.refused), *found.not_examined]
        if not loaded_through_root.intersection(one.leaves)
    ]
    if left:
        yield warning(
            f"Partitioned by the hash of an enum, not checked for rows: {named(one.label for one in left)}.",
            "If they have rows, the target refuses them.", "See whether the query returns rows.", left[0].query,
        )  # fmt: skip


def _moves(one: ByHash) -> Answer:
    return warning(
        f"Rows of {one.label} can be in different partitions on the target.",
        f"It is partitioned by {one.key}, and hashes of the same value differ between databases. So its rows are loaded "
        "through the table itself and compared as a whole.",
        "Use the table itself, not its partitions.", one.query,
    )  # fmt: skip


def _fails(one: ByHash) -> Answer:
    return failed(
        f"On the source, the table {one.label} is partitioned by {one.key}, the hash of an enum, an oid or a text.",
        "Hashes of the same value differ between databases, so the target refuses the rows in their present partitions. "
        "They can't be loaded through the table itself, because a partition is on a foreign server or the key is an expression.",
        f"On the source, replace {one.label} by a table with PARTITION BY LIST, or by the hash of another column, and copy its"
        " rows.",
        one.query,
    )
