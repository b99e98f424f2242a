"""Rows that belong to another partition on the target: the hash of some values is made of the server's own numbers."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, failed, named, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.scanning import scan

WITHIN_S = 2.0
_BY_HASH = """
SELECT mine.nspname::text, mine.relname::text, mine.name, pg_get_partkeydef(mine.oid)
  FROM mine JOIN pg_partitioned_table p ON p.partrelid = mine.oid
 WHERE p.partstrat = 'h' AND EXISTS (
       WITH RECURSIVE hashed (oid) AS (
           SELECT atttypid FROM pg_attribute WHERE attrelid = mine.oid AND attnum = ANY (p.partattrs::int2[])
           UNION
           SELECT found[1]::oid FROM regexp_matches(p.partexprs::text, ':(?:vartype|funcresulttype|resulttype) (\\d+)', 'g') found
           UNION
           SELECT part.oid FROM hashed JOIN pg_type t ON t.oid = hashed.oid CROSS JOIN LATERAL (
                  SELECT t.typbasetype UNION SELECT t.typelem UNION SELECT rngsubtype FROM pg_range WHERE rngtypid = t.oid
                  UNION SELECT atttypid FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped
                  ) part (oid)
            WHERE part.oid <> 0
       ) SELECT FROM hashed JOIN pg_type t ON t.oid = hashed.oid
          WHERE t.typtype = 'e' OR t.typnamespace = 'pg_catalog'::regnamespace AND t.typname ~ '^reg')
 ORDER BY 1, 2"""


@dataclass(frozen=True)
class ByHash:
    """A table that is partitioned by the hash of such values."""

    schema: str
    table: str
    label: str
    key: str

    @property
    def probe(self) -> sql.Composed:
        return sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(self.schema, self.table))

    @property
    def query(self) -> str:
        return (
            sql.SQL("SELECT tableoid::regclass, count(*) FROM {} GROUP BY 1;")
            .format(sql.Identifier(self.schema, self.table))
            .as_string()
        )


@check("C36", "No rows whose partition depends on the server")
async def by_hash(look: Look) -> Answers:
    """An enum's hash is that of its label's number, which every database chooses by itself. An empty table is no matter."""
    tables = [ByHash(*row) for row in await look.source.rows(_BY_HASH)]
    found = await scan(look.source, tables, within_s=WITHIN_S)
    for one in found.broken:
        yield failed(
            f"On the source, the table {one.label} is partitioned by {one.key}, the hash of an enum or of an object's number.",
            "The same value has another hash in another database, so the target refuses the rows in the partitions they are in.",
            f"On the source, make {one.label} anew with PARTITION BY LIST, or by the hash of another column, and copy its rows.",
            one.query,
        )  # fmt: skip
    left = [*(one for one, _ in found.refused), *found.not_examined]
    if left:
        yield warning(
            f"Partitioned by the hash of an enum, and not examined for rows: {named(one.label for one in left)}.",
            "If they have rows, the target refuses them.", "Look whether the query returns rows.", left[0].query,
        )  # fmt: skip
