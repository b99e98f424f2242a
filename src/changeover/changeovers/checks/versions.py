"""Checks of tables, keys, aggregates and operators that newer versions of PostgreSQL no longer accept."""

from __future__ import annotations

from changeover.changeovers.checks.finding import Answers, check, failed, named
from changeover.changeovers.checks.look import Look

MATCHES_GENERATED_SINCE, MATCHES_IDENTITY_SINCE, MATCHES_COLLATIONS_SINCE = 16, 17, 18
_OLD_AGGREGATES = """
SELECT p.oid::regprocedure FROM pg_proc p JOIN homes ON homes.oid = p.pronamespace
  JOIN pg_aggregate a ON a.aggfnoid = p.oid JOIN pg_proc f ON f.oid = a.aggtransfn
 WHERE (p.tableoid, p.oid) NOT IN (SELECT classid, objid FROM brought) AND f.proname = ANY (%(functions)s) ORDER BY 1"""
_POSTFIX = """
SELECT o.oprname FROM pg_operator o JOIN homes ON homes.oid = o.oprnamespace
 WHERE (o.tableoid, o.oid) NOT IN (SELECT classid, objid FROM brought) AND o.oprkind = 'r'"""
_ON_ARRAYS = ["array_append", "array_prepend", "array_cat", "array_position", "array_positions", "array_remove",
              "array_replace", "width_bucket"]  # fmt: skip
_UNLIKE_PARENT = """
SELECT parent.name, quote_ident(a.attname), a.attgenerated <> '', array_agg(mine.name ORDER BY mine.name),
       (array_agg(coalesce(pg_get_expr(c.relpartbound, c.oid), '') ORDER BY mine.name))[1]
  FROM mine JOIN pg_class c ON c.oid = mine.oid JOIN pg_inherits i ON i.inhrelid = mine.oid
  JOIN mine parent ON parent.oid = i.inhparent
  JOIN pg_attribute a ON a.attrelid = mine.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_attribute p ON p.attrelid = i.inhparent AND p.attname = a.attname AND p.attnum > 0 AND NOT p.attisdropped
 WHERE mine.relkind IN ('r', 'p', 'f')
   AND (a.attgenerated <> '' AND p.attgenerated = '' AND %(target)s >= %(generated)s
        OR a.attidentity <> '' AND p.attidentity = '' AND c.relispartition AND %(target)s >= %(identity)s)
 GROUP BY 1, 2, 3 ORDER BY 1, 2"""
_KEYS_BETWEEN_COLLATIONS = """
SELECT mine.name, quote_ident(k.conname), quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
       k.confrelid::regclass || '.' || quote_ident(b.attname), quote_ident(n.nspname) || '.' || quote_ident(theirs.collname)
  FROM mine JOIN pg_constraint k ON k.conrelid = mine.oid AND k.contype = 'f' AND k.conparentid = 0
       CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS compared (here, there)
  JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = here
  JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = there
  JOIN pg_collation ours ON ours.oid = a.attcollation
  JOIN pg_collation theirs ON theirs.oid = b.attcollation JOIN pg_namespace n ON n.oid = theirs.collnamespace
 WHERE ours.oid <> theirs.oid AND NOT (ours.collisdeterministic AND theirs.collisdeterministic) ORDER BY 1, 2, a.attnum"""


@check("C19", "No features that newer versions removed")
async def given_up(look: Look) -> Answers:
    if look.source.identity.major >= 14:
        return
    aggregates = await look.source.names(_OLD_AGGREGATES, functions=_ON_ARRAYS)
    operators = await look.source.names(_POSTFIX)
    if aggregates:
        yield failed(f"Aggregates over anyarray: {named(aggregates)}.",
                     "Since PostgreSQL 14 their functions have different argument types.",
                     f"DROP AGGREGATE {aggregates[0]}; and create it on the target with anycompatible types.")  # fmt: skip
    if operators:
        yield failed(
            f"Postfix operators: {named(operators)}.",
            "PostgreSQL 14 and newer do not support them.",
            "Replace them by functions.",
        )


@check("T22", "The target's version accepts the source's tables and keys", "target")
async def tables(look: Look) -> Answers:
    major = look.there.identity.major
    for parent, column, is_generated, children, bounds in await look.source.rows(
        _UNLIKE_PARENT, target=major, generated=MATCHES_GENERATED_SINCE, identity=MATCHES_IDENTITY_SINCE
    ):
        kind, word = ("a generated", "EXPRESSION") if is_generated else ("an identity", "IDENTITY")
        since = MATCHES_GENERATED_SINCE if is_generated else MATCHES_IDENTITY_SINCE
        off, on = _apart(parent, children[0], bounds)
        yield failed(
            f"On the source, {column} is an ordinary column of {parent}, but {kind} column of {named(children)}.",
            f"PostgreSQL {since} and newer do not allow this for {'partitions' if bounds else 'tables that inherit it'}.",
            f"On the source, for each: {off}; ALTER TABLE {children[0]} ALTER COLUMN {column} DROP {word}; {on};",
        )
    if major >= MATCHES_COLLATIONS_SINCE:
        for table, key, column, type_, referenced, collation in await look.source.rows(_KEYS_BETWEEN_COLLATIONS):
            yield failed(
                f"The foreign key {key} of {table} compares the column {column} with {referenced}, "
                "which has a different collation.",
                f"PostgreSQL {MATCHES_COLLATIONS_SINCE} and newer refuse this if one of the two is nondeterministic.",
                f"On the source: ALTER TABLE {table} ALTER COLUMN {column} TYPE {type_} COLLATE {collation};",
            )


def _apart(parent: str, child: str, bounds: str) -> tuple[str, str]:
    """The statements that detach a table from its parent and attach it again."""
    if bounds:
        attach = f"ALTER TABLE {parent} ATTACH PARTITION {child} {bounds}"
        return f"ALTER TABLE {parent} DETACH PARTITION {child}", attach
    return f"ALTER TABLE {child} NO INHERIT {parent}", f"ALTER TABLE {child} INHERIT {parent}"
