"""Partitioned tables whose rows may belong to a different partition in another database.

The hash of an enum value depends on its oid, which differs between databases. The hash of a text depends on its bytes, and so
on the encoding. Such rows are loaded through the partitioned table, and compared as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import sql

HASHED_DIFFERENTLY: Final[LiteralString] = """(p.partstrat = 'h' AND EXISTS (
    WITH RECURSIVE hashed (oid) AS (
        SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = p.partrelid AND attnum = ANY (p.partattrs::int2[])
        UNION
        SELECT found[1]::oid
          FROM regexp_matches(p.partexprs::text, ':(?:vartype|funcresulttype|resulttype) (\\d+)', 'g') found
        UNION
        SELECT part.oid FROM hashed JOIN pg_catalog.pg_type t ON t.oid = hashed.oid CROSS JOIN LATERAL (
               SELECT t.typbasetype UNION SELECT t.typelem
               UNION SELECT rngsubtype FROM pg_catalog.pg_range WHERE rngtypid = t.oid
               UNION SELECT atttypid FROM pg_catalog.pg_attribute
                      WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped
               ) part (oid)
         WHERE part.oid <> 0
    ) SELECT FROM hashed JOIN pg_catalog.pg_type t ON t.oid = hashed.oid
       WHERE t.typtype = 'e' OR t.typnamespace = 'pg_catalog'::regnamespace AND t.typname ~ '^reg'
          OR %(encodings_differ)s AND t.typcategory = 'S'))"""
"""A condition on `p`, a row of pg_partitioned_table."""
TREES: Final[LiteralString] = f"""
WITH RECURSIVE below (root, oid) AS (
    SELECT p.partrelid, p.partrelid FROM pg_catalog.pg_partitioned_table p WHERE {HASHED_DIFFERENTLY}
    UNION ALL SELECT b.root, i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid
), refused (root) AS (
    SELECT b.root FROM below b JOIN pg_catalog.pg_class c ON c.oid = b.oid
      LEFT JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = b.oid
     WHERE c.relkind = 'f' OR p.partexprs IS NOT NULL
)
SELECT b.root::bigint, n.nspname::text, r.relname::text, array_agg(b.oid::bigint ORDER BY b.oid)
  FROM below b JOIN pg_catalog.pg_class r ON r.oid = b.root JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace
  JOIN pg_catalog.pg_class c ON c.oid = b.oid AND c.relkind = 'r'
 WHERE b.root NOT IN (SELECT root FROM refused)
   AND NOT EXISTS (SELECT FROM below above WHERE above.oid = b.root AND above.root <> above.oid)
 GROUP BY 1, 2, 3 ORDER BY 2, 3
"""  # noqa: S608 - constants of ours
"""Excludes tables with a foreign partition, whose server would get rows, and tables with an expression as key: a copy attaches
such partitions after it has filled them."""


@dataclass(frozen=True)
class Tree:
    """A partitioned table with all partitions below it."""

    root: int
    """oid"""
    schema: str
    name: str
    leaves: frozenset[int]
    """Oids of the partitions that hold rows."""

    @property
    def quoted(self) -> str:
        """For display."""
        return sql.Identifier(*self.place).as_string()

    @property
    def place(self) -> tuple[str, str]:
        return self.schema, self.name


def trees_of(rows: list[tuple[Any, ...]]) -> list[Tree]:
    """From the rows that TREES returns."""
    return [Tree(root, schema, name, frozenset(leaves)) for root, schema, name, leaves in rows]
