"""Partitions and materialized views that read foreign servers while the target is built."""

from __future__ import annotations

from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, named, warning
from changeover.changeovers.checks.look import Look
from changeover.quantities import counted

_LIST = sql.SQL(
    "SELECT ftrelid::regclass, srvname, srvoptions FROM pg_foreign_table JOIN pg_foreign_server s ON s.oid = ftserver"
    " WHERE srvname = {};"
)
_MATERIALIZED = """
SELECT s.srvname::text, coalesce((SELECT string_agg(o, ', ') FROM unnest(s.srvoptions) o WHERE o ~ '^(host|port)='), ''),
       array_agg(DISTINCT reads.name)
  FROM (WITH RECURSIVE reads (view, name, reads) AS (
            SELECT mine.oid, mine.name, d.refobjid FROM mine JOIN pg_rewrite r ON r.ev_class = mine.oid
              JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
             WHERE mine.relkind = 'm' AND d.refobjid <> mine.oid
            UNION
            SELECT reads.view, reads.name, next.oid
              FROM reads CROSS JOIN LATERAL (
                   SELECT d.refobjid FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class AND c.relkind = 'v'
                     JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                      AND d.refclassid = 'pg_class'::regclass
                    WHERE r.ev_class = reads.reads
                   UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = reads.reads) next (oid)
        ) SELECT * FROM reads) reads
  JOIN pg_foreign_table f ON f.ftrelid = reads.reads JOIN pg_foreign_server s ON s.oid = f.ftserver
 GROUP BY 1, 2 ORDER BY 1"""
_PARTITIONS = """
SELECT s.srvname::text, coalesce((SELECT string_agg(o, ', ') FROM unnest(s.srvoptions) o WHERE o ~ '^(host|port)='), ''),
       array_agg(mine.name ORDER BY mine.name)
  FROM mine JOIN pg_foreign_table f ON f.ftrelid = mine.oid JOIN pg_foreign_server s ON s.oid = f.ftserver
 WHERE EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = mine.oid)
 GROUP BY 1, 2 ORDER BY 1"""


@check("C37", "No object needs another server to be built")
async def readers(look: Look) -> Answers:
    for server, where, views in await look.source.rows(_MATERIALIZED):
        yield warning(
            f"{counted(len(views), 'materialized view')} of the source read the foreign server {_shown(server, where)}: "
            f"{named(views)}.",
            "If the target can't reach it, the migration leaves them empty and reports it.",
            f"Allow access from the target's host before the move. Or, after the move: REFRESH MATERIALIZED VIEW {views[0]};",
            _LIST.format(sql.Literal(server)).as_string(),
        )  # fmt: skip
    for server, where, tables in await look.source.rows(_PARTITIONS):
        yield warning(
            f"Parts of tables of the source are on the foreign server {_shown(server, where)}: {named(tables)}.",
            "Their rows are not moved. If the target can't reach that server, queries of the whole table fail there.",
            "Allow access from the target's host before the move.",
            _LIST.format(sql.Literal(server)).as_string(),
        )


def _shown(server: str, where: str) -> str:
    """Only host and port, because other options may contain secrets."""
    return f"{server} ({where})" if where else server
