"""Checks of the source's contents: sizes, tables, sequences, indexes, views, names."""

from __future__ import annotations

from changeover.changeovers.checks.finding import Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.quantities import counted, in_bytes

LARGE = 100 * 10**9
"""A move of more bytes by snapshot needs a plan of its own."""


@check("C1", "The size suits a move by snapshot")
async def size(look: Look) -> Answers:
    size = look.source.identity.size_bytes
    if size > LARGE:
        yield warning(f"The database is large: {in_bytes(size)}.", "Above 100 GB a snapshot holds the source for hours.",
                      "Delete or archive what isn't needed first, and plan for the downtime in the report.")  # fmt: skip
    else:
        yield passed(f"The database has {in_bytes(size)}. A snapshot is suitable up to 100 GB.")


@check("C4", "No unlogged tables")
async def unlogged(look: Look) -> Answers:
    tables = await look.source.names("SELECT name FROM mine WHERE relpersistence = 'u' AND relkind = 'r' ORDER BY 1")
    if tables:
        yield warning(
            f"{counted(len(tables), 'unlogged table')}: {named(tables)}.",
            "A snapshot copies their rows, but a crash of either server empties them, and followers never have their rows.",
            f"If they matter: ALTER TABLE {tables[0]} SET LOGGED;",
        )


@check("C5", "Large objects can be read")
async def large_objects(look: Look) -> Answers:
    side = look.source
    ((total, closed, example),) = await side.rows(
        """SELECT count(*), count(*) FILTER (WHERE NOT readable), min(oid::text) FILTER (WHERE NOT readable)
             FROM (SELECT oid, pg_has_role(current_user, lomowner, 'USAGE')
                          OR EXISTS (SELECT FROM aclexplode(lomacl) a
                                      WHERE a.privilege_type = 'SELECT'
                                        AND (a.grantee = 0 OR pg_has_role(current_user, a.grantee, 'USAGE'))) AS readable
                     FROM pg_largeobject_metadata) one"""
    )
    if closed and not side.identity.is_superuser and side.value("lo_compat_privileges") != "on":
        yield failed(
            f"{closed} of {counted(total, 'large object')} are not readable by {side.identity.login}.",
            "They belong to other roles.", f'GRANT SELECT ON LARGE OBJECT {example} TO "{side.identity.login}";',
        )  # fmt: skip
    elif total:
        yield passed(f"{counted(total, 'large object')}, all readable.")


@check("C6", "No sequence is nearly exhausted")
async def sequences(look: Look) -> Answers:
    """The type of a column can be smaller than its sequence's range."""
    near = await look.source.rows(
        """SELECT mine.name, s.last_value, bound.value, trunc(100.0 * s.last_value / bound.value)::int
          FROM mine
          JOIN pg_sequences s ON s.schemaname = mine.nspname AND s.sequencename = mine.relname
                              AND s.increment_by > 0 AND NOT s.cycle
          LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = mine.oid
                               AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
          LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
         CROSS JOIN LATERAL (SELECT least(s.max_value, CASE a.atttypid WHEN 'int2'::regtype THEN 32767
                                                                       WHEN 'int4'::regtype THEN 2147483647
                                                                       ELSE s.max_value END) AS value) bound
         WHERE mine.relkind = 'S' AND bound.value > 100 AND s.last_value > 0.9 * bound.value
         ORDER BY 4 DESC LIMIT 6"""
    )
    for name, last, most, percent in near:
        yield warning(
            f"The sequence {name} is at {last}, {percent} % of {most}.",
            "Its position is copied, and inserts will soon fail.",
            "Change its column to bigint, on the source before the move or on the target after it.",
        )


@check("C7", "Identity and generated columns")
async def generated(look: Look) -> Answers:
    has_generated = look.source.identity.version_num >= 120000
    ((identity, stored, virtual),) = await look.source.rows(
        """SELECT count(*) FILTER (WHERE attidentity <> ''),
                  count(*) FILTER (WHERE attgenerated = 's'),
                  count(*) FILTER (WHERE attgenerated = 'v')
             FROM mine JOIN pg_attribute a ON a.attrelid = mine.oid AND a.attnum > 0 AND NOT attisdropped
            WHERE relkind IN ('r', 'p')"""
        if has_generated
        else "SELECT 0, 0, 0"
    )
    if virtual and look.target and look.target.identity.major < 18:
        yield failed(f"{counted(virtual, 'virtual column')}.", f"PostgreSQL {look.target.identity.major} does not support them.",
                     "Choose a target with PostgreSQL 18 or newer, or change them to STORED.")  # fmt: skip
    else:
        yield passed(f"{counted(identity, 'identity column')} and {counted(stored + virtual, 'generated column')}.")


@check("C8", "No partition is partly detached")
async def partitions(look: Look) -> Answers:
    pending = await look.source.names(
        """SELECT mine.name FROM mine JOIN pg_inherits i ON i.inhrelid = mine.oid
             WHERE (to_jsonb(i) ->> 'inhdetachpending')::bool"""
    )
    if pending:
        yield warning(f"Partitions are partly detached: {named(pending)}.", "They are in an undefined state.",
                      f"ALTER TABLE parent DETACH PARTITION {pending[0]} FINALIZE;")  # fmt: skip


@check("C11", "Every foreign key is validated")
async def foreign_keys(look: Look) -> Answers:
    async for answer in _not_valid(look, "f", "foreign key"):
        yield answer


@check("C13", "No invalid indexes or constraints")
async def invalid(look: Look) -> Answers:
    indexes = await look.source.rows(
        """SELECT mine.name, pg_get_indexdef(mine.oid) FROM mine JOIN pg_index i ON i.indexrelid = mine.oid
             WHERE NOT i.indisvalid AND mine.relkind = 'i'"""
    )
    for name, _ in indexes[:5]:
        yield warning(
            f"The index {name} is invalid.",
            "It is not copied, and if it is unique, it does not guarantee uniqueness.",
            f"REINDEX INDEX CONCURRENTLY {name}; or DROP INDEX {name};",
        )
    async for answer in _not_valid(look, "c", "check constraint"):
        yield answer


async def _not_valid(look: Look, kind: str, says: str) -> Answers:
    rows = await look.source.rows(
        """SELECT mine.name, quote_ident(con.conname) FROM mine JOIN pg_constraint con ON con.conrelid = mine.oid
             WHERE con.contype = %(kind)s AND NOT con.convalidated ORDER BY 1, 2""",
        kind=kind,
    )
    for table, constraint in rows[:5]:
        yield warning(f"The {says} {constraint} of {table} is not valid.",
                      "It stays so on the target. Older rows may violate it.",
                      f"ALTER TABLE {table} VALIDATE CONSTRAINT {constraint};")  # fmt: skip


@check("C14", "Every materialized view is filled")
async def materialized_views(look: Look) -> Answers:
    rows = await look.source.rows(
        """SELECT name, relispopulated, pg_total_relation_size(oid) FROM mine
             WHERE relkind = 'm' ORDER BY 3 DESC"""
    )
    empty = [name for name, is_filled, _ in rows if not is_filled]
    if empty:
        yield warning(f"Materialized views were never filled: {named(empty)}.",
                      "They stay so on the target, where reading them fails.",
                      f"REFRESH MATERIALIZED VIEW {empty[0]};")  # fmt: skip
    elif rows:
        yield passed(
            f"{counted(len(rows), 'materialized view')} with {in_bytes(sum(row[2] for row in rows))}: refreshed on the target."
        )


@check("C28", "Write load of the source")
async def writes(look: Look) -> Answers:
    sample = look.sample
    yield passed(
        f"{sample.commits_per_s:.0f} commits and {sample.rows_written_per_s:.0f} written rows per second during this check."
    )


@check("C30", "All tools can handle the names")
async def odd_names(look: Look) -> Answers:
    rows = await look.source.names(
        """SELECT DISTINCT quote_ident(name)
             FROM (SELECT relname FROM mine
                   UNION ALL SELECT attname FROM mine JOIN pg_attribute ON attrelid = mine.oid AND attnum > 0 AND NOT attisdropped
                   UNION ALL SELECT nspname FROM homes
                   UNION ALL SELECT current_database()) names (name)
            WHERE name ~ '[[:cntrl:]"''\\\\$%%]' ORDER BY 1 LIMIT 50"""
    )
    if rows:
        yield warning(
            f"{counted(len(rows), 'name')} with quotes or control characters: {named(rows)}.",
            "They are copied unchanged, but your scripts may not handle them.",
        )
    twins = await look.source.rows(
        """SELECT string_agg(name, ', ' ORDER BY name) FROM mine WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
             GROUP BY nspname, lower(relname) HAVING count(*) > 1 LIMIT 5"""
    )
    for (names,) in twins:
        yield warning(f"Names that differ only in case: {named([names])}.", "They are easily confused.")
