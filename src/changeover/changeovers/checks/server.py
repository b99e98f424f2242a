"""Checks of the source's server: its version, its identity, and its current activity."""

from __future__ import annotations

import psycopg

from changeover.changeovers.checks.finding import Answer, Answers, check, failed, named, passed, unknown, warning
from changeover.changeovers.checks.look import Look
from changeover.postgres.pooled import has_a_go_between
from changeover.quantities import counted, in_time

OLDEST = 12
"""The oldest major version that every pg_dump here can read and that we test with."""
WORKERS = 6
"""Sessions of a move with two connections: schema, snapshot, two tables, monitoring, comparison."""
LONG_S = 300
OTHERS = {"Redshift": "Amazon Redshift", "CockroachDB": "CockroachDB", "-YB-": "YugabyteDB", "Greenplum": "Greenplum"}
"""Products that call themselves PostgreSQL but have another storage engine."""
CAREFUL = {
    "citus": "Its distributed tables are copied as ordinary ones, read through this coordinator.",
    "timescaledb": "Both sides need the same version of the extension, and its pre- and post-restore functions.",
}


@check("S1", "The source's PostgreSQL is supported")
async def version(look: Look) -> Answers:
    me = look.source.identity
    newest = max((one.version[0] for one in look.offered), default=0)
    fork = next((title for sign, title in OTHERS.items() if sign in me.version), None)
    if fork:
        yield failed(f"The source is {fork}.", "It supports PostgreSQL's protocol, but stores its data differently.",
                     "Export its data with its own tools.")  # fmt: skip
    elif me.major < OLDEST:
        yield too_old(me.version)
    elif look.target is None and newest and me.major > newest:
        yield failed(
            f"The source is {me.version}: newer than any installation here.", f"The newest installation is {newest}.",
            f"Install PostgreSQL {me.major} on this machine, or give a target that has it.",
        )  # fmt: skip
    else:
        yield passed(f"The source is {me.version}.")
    if me.is_32_bit:
        yield warning("The source is a 32-bit build.", "Its limits on rows and files are lower.")
    for name, why in CAREFUL.items():
        if any(one.name == name for one in look.source.extensions):
            yield warning(f"The source uses {name}.", why, "Rehearse the move with a copy of it first.")


def too_old(version: str) -> Answer:
    return failed(
        f"The source is {version}, which is too old.",
        f"Versions before PostgreSQL {OLDEST} can't be moved safely.",
        f"Upgrade it to PostgreSQL {OLDEST} or newer, then check again.",
    )


@check("S2", "Source and target are different databases, and the source is not a standby")
async def identity(look: Look) -> Answers:
    source = look.source.identity
    if source.is_in_recovery:
        yield warning(
            "The source is a standby.",
            "Writes can't be held there, and conflicts with replication may end a long copy.",
            "Use its leader's address. Or, only to copy: ALTER SYSTEM SET max_standby_streaming_delay = -1 there.",
        )
    if source.system_identifier is None:
        yield warning("The source's system identifier is unknown.",
                      f"{source.login} may not call pg_control_system(); its start time was compared instead.")  # fmt: skip
    if look.target is None:
        return
    target = look.target.identity
    identifiers = {source.system_identifier, target.system_identifier} - {None}
    is_same_server = source.started_at == target.started_at and len(identifiers) < 2
    if is_same_server and source.database == target.database:
        yield failed(
            "Source and target are the same database.",
            f"Both addresses reach {source.database} on the server {source.system_identifier or 'started then'}.",
            "Use another database as the target.",
        )
    elif source.system_identifier and source.system_identifier == target.system_identifier and not is_same_server:
        yield warning("The target is a physical copy of the source.",
                      "Both have the same system identifier, so only their addresses distinguish them.")  # fmt: skip


@check("S3", "The address reaches one server without a pooler")
async def one_server(look: Look) -> Answers:
    first, second = look.source.connection, look.other
    if await has_a_go_between(first):
        yield warning(
            "A gateway or pooler is between this machine and the server.",
            "The process id from the login is not the server's. It may be a pooler with one session for each client.",
            "Prefer the server's own address, because a pooler may end long sessions or have too few connections.",
        )
    try:
        async with first.transaction():
            await first.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            exported = await (await first.execute("SELECT pg_export_snapshot()")).fetchall()
            async with second.transaction():
                await second.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
                await second.execute(psycopg.sql.SQL("SET TRANSACTION SNAPSHOT {}").format(exported[0][0]))
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject):
        yield failed(
            "The address reaches more than one server.", "A second session did not find the snapshot of the first one.",
            "Use the address of one server: the leader's own, or the writer's endpoint.",
        )  # fmt: skip


@check("S9", "No time limit ends long sessions")
async def time_limits(look: Look) -> Answers:
    limits = ("statement_timeout", "idle_in_transaction_session_timeout", "transaction_timeout", "idle_session_timeout")
    found = [name for name in limits if 0 < look.source.number(name) < 24 * 3600 * 1000]
    if found:
        me = look.source.identity
        yield warning(
            "Sessions of this login have time limits: "
            + named(f"{name} {in_time(look.source.number(name) / 1000)}" for name in found) + ".",
            "Our sessions disable them, but your own commands, and a watchdog of the provider, may still stop early.",
            " ".join(f'ALTER ROLE "{me.login}" SET {name} = 0;' for name in found),
        )  # fmt: skip


@check("S11", "The lock table has room for all tables")
async def lock_table(look: Look) -> Answers:
    side = look.source
    room = side.number("max_locks_per_transaction") * (
        side.number("max_connections") + side.number("max_prepared_transactions")
    )
    ((tables, indexes),) = await side.rows(
        "SELECT count(*) FILTER (WHERE relkind IN ('r', 'p', 'm', 'f')), count(*) FILTER (WHERE relkind IN ('i', 'I')) FROM mine"
    )
    says = f"{counted(tables, 'table')} and {counted(indexes, 'index', 'indexes')} for {room:.0f} locks."
    why = "Reading the schema locks all tables at once. Without enough room it fails with `out of shared memory`."
    fix = "ALTER SYSTEM SET max_locks_per_transaction = " + str(int(side.number("max_locks_per_transaction")) * 4)
    if tables + indexes > room:
        yield failed(says, why, fix + "; then restart the source.")
    elif tables + indexes > room / 2:
        yield warning(says, why, fix + "; then restart the source.")
    else:
        yield passed(says)


@check("S12", "Enough connections are free")
async def connections(look: Look) -> Answers:
    side, me = look.source, look.source.identity
    kept = (
        0.0 if me.is_superuser else side.number("superuser_reserved_connections") + side.number("reserved_connections")
    )
    ((everybody, here, mine),) = await side.rows(
        """SELECT count(*), count(*) FILTER (WHERE datname = current_database()),
                  count(*) FILTER (WHERE usename = current_user)
             FROM pg_stat_activity
            WHERE usename IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'"""
    )
    limits = [side.number("max_connections") - kept - everybody]
    limits += [me.connection_limit - here] if me.connection_limit >= 0 else []
    limits += [me.login_limit - mine] if me.login_limit >= 0 else []
    free = int(min(limits))
    says = f"{counted(max(free, 0), 'connection')} free for {me.login}, in addition to this check's. A move uses {WORKERS}."
    if free < WORKERS:
        yield failed(says, "Without a free connection, a move stops in the middle.",
                     "Close idle clients, or raise max_connections, or the CONNECTION LIMIT of role or database.")  # fmt: skip
    else:
        yield passed(says)


@check("S15", "There are no long transactions")
async def long_transactions(look: Look) -> Answers:
    rows = await look.source.rows(
        """SELECT pid, usename, coalesce(nullif(application_name, ''), 'a client'),
                  extract(epoch FROM now() - xact_start)::float8
             FROM pg_stat_activity
            WHERE datname = current_database() AND xact_start < now() - make_interval(secs => %(long)s)
              AND backend_type = 'client backend'
            ORDER BY xact_start""",
        long=LONG_S,
    )
    if await hidden_sessions(look):
        yield hidden("The age of transactions is hidden.", look)
    for pid, user, application, age_s in rows[:5]:
        yield warning(
            f"A transaction of {application} ({user}, pid {pid}) has been open for {in_time(age_s)}.",
            "Holding writers waits for it, and its uncommitted changes are not moved.",
            f"Let it end, or: SELECT pg_terminate_backend({pid});",
        )
    locks = await look.source.rows(
        """SELECT mine.name, l.pid FROM mine JOIN pg_locks l ON l.relation = mine.oid
             WHERE l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND l.mode = 'AccessExclusiveLock' AND l.granted"""
    )
    for table, pid in locks[:5]:
        yield warning(f"{table} is locked against reading (pid {pid}).", "It can't be copied while it is locked.",
                      f"Let it end, or: SELECT pg_terminate_backend({pid});")  # fmt: skip


async def hidden_sessions(look: Look) -> int:
    """How many sessions in the source our login has no right to see in full."""
    ((count,),) = await look.source.rows(
        """SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND usename IS NOT NULL AND query = '<insufficient privilege>'"""
    )
    return int(count)


def hidden(what: str, look: Look) -> Answer:
    login = look.source.identity.login
    return unknown(what, f"{login} sees only its own sessions in full.", f'GRANT pg_read_all_stats TO "{login}";')


@check("S16", "No prepared transactions")
async def prepared_transactions(look: Look) -> Answers:
    rows = await look.source.rows(
        "SELECT gid, owner, quote_literal(gid) FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared"
    )
    for gid, owner, quoted in rows:
        yield failed(
            f"There is a prepared transaction: {named([gid])} of {owner}.",
            "It is not part of a snapshot. If committed later, its changes will only be on the source.",
            f"COMMIT PREPARED {quoted}; or ROLLBACK PREPARED {quoted};",
        )


@check("S17", "No vacuum against wraparound is due")
async def wraparound(look: Look) -> Answers:
    side = look.source
    at_work = await side.names(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query ~ 'to prevent wraparound'"
        " AND backend_type = 'autovacuum worker'"
    )
    limit = side.number("autovacuum_freeze_max_age")
    if at_work:
        yield warning("A vacuum to prevent wraparound is running.", "It does not yield to other work, and uses the disk.",
                      "Wait for it to end.")  # fmt: skip
    elif side.identity.age > max(limit * 3, 600_000_000):
        yield warning(
            f"The oldest transaction id is {side.identity.age / 1e6:.0f} million transactions old.",
            "A vacuum to prevent wraparound may start during the copy, whose snapshot holds it back.",
            "VACUUM (FREEZE); before the move, when the server is less busy.",
        )


@check("S21", "Passwords can be copied")
async def passwords(look: Look) -> Answers:
    side = look.source
    logins = [role.name for role in side.moved_roles if role.may_log_in]
    ((may_read,),) = await side.rows("SELECT has_column_privilege('pg_authid', 'rolpassword', 'SELECT')")
    if not may_read:
        if logins:
            yield warning(
                f"Passwords can't be read: {named(logins)}.", f"{side.identity.login} may not read pg_authid.",
                "Set new ones on the target: " + " ".join(f'ALTER ROLE "{name}" PASSWORD \'…\';' for name in logins[:3]),
            )  # fmt: skip
        return
    old = await side.names(
        "SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'md5%%' AND rolname = ANY (%(logins)s)", logins=logins
    )
    if old:
        yield warning(
            f"MD5 passwords: {named(old)}.", "A target that only accepts SCRAM refuses these logins.",
            "SET password_encryption = 'scram-sha-256'; then set each password again on the source.",
        )  # fmt: skip


@check("S24", "No tablespaces")
async def tablespaces(look: Look) -> Answers:
    spaces = await look.source.names(
        """SELECT t.spcname, count(*) FROM mine JOIN pg_tablespace t ON t.oid = mine.reltablespace
             WHERE t.spcname !~ '^pg_' GROUP BY 1 ORDER BY 2 DESC"""
    )
    if spaces:
        yield warning(f"Tablespaces are in use: {named(spaces)}.",
                      "They are folders of the source's host. Everything goes to the target's default tablespace.")  # fmt: skip
