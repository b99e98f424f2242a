"""Facts about a running database: version, size, tables, connections."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.postgres.configuration import SUPERUSER
from changeover.postgres.connect import Address, Connection, connect, fetch_row

FACTS = """
SELECT split_part(current_setting('server_version'), ' ', 1),
       pg_database_size(current_database()),
       (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', '_heroku') AND n.nspname !~ '^pg_(toast|temp)'),
       count(a.pid),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
       count(a.backend_xid)
  FROM pg_database d
  LEFT JOIN pg_stat_activity a
    ON a.datid = d.oid AND coalesce(a.backend_type, 'client backend') = 'client backend' AND a.usename <> %s
   AND NOT (a.usename = current_user AND a.application_name = 'changeover')
 WHERE d.datname = current_database()
"""


@dataclass(frozen=True)
class Facts:
    """Our own connections are not counted."""

    version: str
    data_bytes: int
    tables: int
    connections: int
    max_connections: int
    writing_backends: int


async def read_facts(address: Address, database: str) -> Facts:
    """Reads once. Raises ServerUnreachable."""
    async with connect(address, database=database) as connection:
        return await facts_of(connection, ours=SUPERUSER)


async def facts_of(connection: Connection, *, ours: str = "") -> Facts:
    """The facts of the connected database. `ours`: a role all of whose sessions are ours.

    Without the right to see other sessions, they are still counted as connections, but not as writing backends.
    """
    return Facts(*await fetch_row(connection, FACTS, [ours]))
