"""Proves that a backup can be restored, into a temporary server."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from uuid import UUID

from psycopg import sql
from psycopg.types.json import Jsonb

from changeover.engines.engine import Credential, Server, Size
from changeover.errors import ChangeoverError, HostFull, RunCancelled
from changeover.errors.elsewhere import NotOurs
from changeover.errors.transfers import RestoreFailed
from changeover.hosts.network import Reach
from changeover.platform.names import new_server_name
from changeover.platform.scope import Parts
from changeover.platform.secrets import new_password
from changeover.platform.servers import as_server, server_of, servers_of_host
from changeover.platform.spaces import COMMON_ADDRESS
from changeover.platform.transfers import records
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach
from changeover.runs.starting import start_run
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import App, Database, RunRow, ServerRow
from changeover.store.transfer_rows import TransferRow

KIND = "verify-backup"
SIZE = Size(max_connections=20, memory_mb=256)
DATABASE, ROLE = "scratch", "scratch"
TABLES = """
SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema' AND NOT relispartition
"""
COUNT_TABLES = """
SELECT count(*) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE relkind IN ('r', 'p') AND nspname !~ '^pg_' AND nspname <> 'information_schema'
"""


async def begin_verification(db: Db, parts: Parts, row: TransferRow) -> RunRow:
    """Start the run and reserve its server, in the caller's transaction. Raises RunConflict if one is in progress."""
    server = await _plan_server(db, parts, row)
    app = await query.only(db, App, "apps.find", key=str(row.app_id))
    return await start_run(
        db, kind=KIND, first_step="try", subject=f"verification of {row.id}", app=app, account_id=app.owner_id,
        host=parts.host, given={"transfer": str(row.id), "server": server.name},
    )  # fmt: skip


async def _plan_server(db: Db, parts: Parts, row: TransferRow) -> Server:
    """With the PostgreSQL version of the database's server, and beside it, if there is one."""
    await query.execute(db, "databases.lock_servers")
    database = await query.one(db, Database, "databases.find", addon_id=row.addon_id)
    beside, address = None, COMMON_ADDRESS
    if database is not None:
        try:
            beside, address = await server_of(db, database.server_name), database.address
        except NotOurs:
            beside = None
    known = await servers_of_host(db, parts.host)
    if len(known) >= parts.max_servers:
        raise HostFull(
            "This host is full: a scratch server can't be added.",
            why=f"It runs {len(known)} servers. The limit is {parts.max_servers} (CHANGEOVER_MAX_DATABASES).",
            fix="Destroy a database that is no longer needed, or raise the setting and restart the control plane.",
        )
    taken = frozenset(one.port for one in known)
    server = parts.engine.plan_server(new_server_name(), address=address, taken_ports=taken, leader=beside)
    await query.execute(
        db, "databases.add_server",
        name=server.name, host=parts.host, engine=server.engine, address=server.address, port=server.port,
        bin_directory=str(server.bin_directory), data_directory=str(server.data_directory),
        socket_directory=str(server.socket_directory), size=Jsonb(dataclasses.asdict(SIZE)), is_shared=False,
    )  # fmt: skip
    return server


async def scratch_server(db: Db, name: str) -> Server | None:
    row = await query.one(db, ServerRow, "databases.server", name=name)
    return as_server(row) if row is not None else None


async def make_scratch(parts: Parts, server: Server) -> Location:
    """Create it with an empty database. Returns the owner's location. Repeatable."""
    password = new_password()
    await parts.engine.create(server, SIZE)
    await parts.engine.create_database(server, DATABASE, Credential(ROLE, password))
    return Location(
        {
            "host": server.address, "port": str(server.port), "dbname": DATABASE, "user": ROLE, "password": password,
            "sslmode": "verify-full", "sslrootcert": parts.ca_certificate.read_text(),
        },
        Reach.ANYWHERE,
    )  # fmt: skip


async def remove_scratch(db: Db, parts: Parts, name: str) -> None:
    """Remove process, data and row. Does nothing if they are gone."""
    server = await scratch_server(db, name)
    if server is None:
        return
    await parts.engine.destroy(server)
    await query.execute(db, "databases.retire_server_if_unused", name=name)
    await query.execute(db, "databases.remove_server", name=name)


@dataclasses.dataclass(frozen=True)
class Found:
    """The contents of a restored database."""

    tables: int
    rows: int


async def count(location: Location) -> Found:
    """Count all tables, and all their rows."""
    async with reach(location, statement_timeout_s=0) as connection:
        names = await (await connection.execute(TABLES)).fetchall()
        row = await (await connection.execute(COUNT_TABLES)).fetchone()
        rows = 0
        for schema, table in names:
            counted = await connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(schema, table)))
            rows += int(((await counted.fetchone()) or (0,))[0])
        return Found(int(row[0]) if row else 0, rows)


def require_all(found: Found, tables: int) -> Found:
    """Raises RestoreFailed if the archive lists more tables than were restored."""
    if found.tables < tables:
        raise RestoreFailed(
            "The backup is incomplete.", why=f"It lists {tables} tables, but {found.tables} were restored.",
            fix="Take another one now: `changeover pg:backups:capture`.",
        )  # fmt: skip
    return found


async def note_result(db: Db, transfer: UUID, found: Found | ChangeoverError) -> None:
    """Record it in the backup's row and log, for `pg:backups:info`."""
    at = datetime.now(UTC)
    if isinstance(found, RunCancelled):
        return
    if isinstance(found, ChangeoverError):
        verified: dict[str, object] = {"at": at.isoformat(), "error": f"{found.what} {found.why}".strip()}
        await records.say(db, transfer, f"Could not be verified: {found.what} {found.why}".strip(), "error")
    else:
        verified = {"at": at.isoformat(), "tables": found.tables, "rows": found.rows}
        text = f"Verified: {at:%Y-%m-%d %H:%M} UTC, {found.tables} tables, {found.rows:,} rows restored and counted"
        await records.say(db, transfer, text)
    await query.execute(db, "transfers.set_verified", id=transfer, verified=Jsonb(verified))
