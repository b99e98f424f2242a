"""Sessions of a database, and what can block: long transactions, prepared ones, background workers that write."""

from __future__ import annotations

from dataclasses import dataclass

from changeover.postgres.configuration import SUPERUSER
from changeover.postgres.connect import Connection
from changeover.postgres.ending import Backend

LONGEST_QUERY = 120
HARMLESS = (
    "archiver", "autovacuum launcher", "autovacuum worker", "background writer", "checkpointer", "io worker",
    "logical replication launcher", "slotsync worker", "startup", "walreceiver", "walsender", "walsummarizer", "walwriter",
)  # fmt: skip
"""Kinds of backends that never write data of clients."""

SESSIONS = """
SELECT pid, coalesce(usename, backend_type), application_name, host(client_addr), backend_type,
       coalesce(state, ''), coalesce(extract(epoch FROM clock_timestamp() - xact_start), 0)::float,
       coalesce(backend_xid IS NOT NULL, false), left(query, %(longest)s), backend_start::text, datname
  FROM pg_stat_activity
 WHERE pid <> pg_backend_pid() AND backend_type <> ALL (%(harmless)s) AND usename IS DISTINCT FROM %(ours)s
 ORDER BY xact_start NULLS LAST, pid
"""


@dataclass(frozen=True)
class Session:
    """One backend that is not ours. `address` None: it is connected over the unix socket, as poolers are."""

    pid: int
    user: str
    application: str
    address: str | None
    kind: str
    state: str
    transaction_s: float
    """How long its transaction has been open; 0 without one."""
    has_written: bool
    query: str
    started: str
    database: str | None

    @property
    def backend(self) -> Backend:
        return Backend(self.pid, self.started, self.database)

    def __str__(self) -> str:
        """`pid 4711 (shop, application worker.1, idle in transaction for 12 s): UPDATE …`"""
        who = f"{self.user}, application {self.application}" if self.application else self.user
        open_for = f" for {self.transaction_s:.0f} s" if self.transaction_s else ""
        query = " ".join(self.query.split())
        return f"pid {self.pid} ({who}, {self.state or self.kind}{open_for}){': ' + query if query else ''}"


async def sessions(connection: Connection) -> list[Session]:
    """All sessions except ours and the server's harmless workers. The oldest transaction first."""
    found = await connection.execute(
        SESSIONS, {"longest": LONGEST_QUERY, "harmless": list(HARMLESS), "ours": SUPERUSER}
    )
    return [Session(*row) for row in await found.fetchall()]


async def prepared_transactions(connection: Connection) -> list[str]:
    """The names of prepared transactions."""
    found = await connection.execute("SELECT gid FROM pg_prepared_xacts ORDER BY prepared")
    return [row[0] for row in await found.fetchall()]
