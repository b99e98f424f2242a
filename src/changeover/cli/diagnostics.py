"""`pg:locks` and similar commands. Each runs one query of queries.py in the app's database and prints the rows."""

from __future__ import annotations

import json
from typing import Any

import click

from changeover.cli import queries
from changeover.cli.psql import Target, find_target, query
from changeover.cli.resolve import is_essential
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import say
from changeover.errors import NotFound

SNIPPET = 40


def _show(session: Session, target: Target, sql: str) -> None:
    """The rows of `sql` in psql's format, or as JSON with their types."""
    if session.wants_json:
        wrapped = f"SELECT coalesce(json_agg(found), '[]') FROM ({sql}) AS found"  # noqa: S608 - texts of queries.py only
        found: Any = json.loads(query(session, target, wrapped, "--tuples-only", "--no-align"))
        session.tell(found, lambda: None)
    else:
        say(query(session, target, sql).rstrip("\n") + "\n")


def _diagnostic(sql: str) -> click.Command:
    @command()
    @click.argument("database", required=False)
    @takes_app
    def run(session: Session, database: str | None, app: str) -> None:
        _show(session, find_target(session, app, database), sql)

    return run


bloat = _diagnostic(queries.BLOAT)
blocking = _diagnostic(queries.BLOCKING)
cache_hit = _diagnostic(queries.CACHE_HIT)
extensions = _diagnostic(queries.EXTENSIONS)
index_size = _diagnostic(queries.INDEX_SIZE)
index_usage = _diagnostic(queries.INDEX_USAGE)
long_running_queries = _diagnostic(queries.LONG_RUNNING_QUERIES)
records_rank = _diagnostic(queries.RECORDS_RANK)
seq_scans = _diagnostic(queries.SEQ_SCANS)
table_indexes_size = _diagnostic(queries.TABLE_INDEXES_SIZE)
table_size = _diagnostic(queries.TABLE_SIZE)
total_index_size = _diagnostic(queries.TOTAL_INDEX_SIZE)
total_table_size = _diagnostic(queries.TOTAL_TABLE_SIZE)
unused_indexes = _diagnostic(queries.UNUSED_INDEXES)
user_connections = _diagnostic(queries.USER_CONNECTIONS)
vacuum_stats = _diagnostic(queries.VACUUM_STATS)


def _snippet(is_short: bool) -> str:
    whole = "query"
    return (
        f"CASE WHEN length({whole}) <= {SNIPPET} THEN {whole} ELSE left({whole}, {SNIPPET - 1}) || '…' END"
        if is_short
        else whole
    )


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--verbose", "-v", is_flag=True, help="Include idle connections.")
def ps(session: Session, *, database: str | None, app: str, verbose: bool) -> None:
    """Show the active queries of a database."""
    sql = queries.PS.format(query="query", which="" if verbose else "AND state <> 'idle'")
    _show(session, find_target(session, app, database), sql)


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--truncate", "-t", is_flag=True, help="Truncate queries to 40 characters.")
def locks(session: Session, *, database: str | None, app: str, truncate: bool) -> None:
    """Show queries with active locks."""
    _show(session, find_target(session, app, database), queries.LOCKS.format(query=_snippet(truncate)))


@command()
@click.argument("pid", type=int)
@click.argument("database", required=False)
@takes_app
@click.option("--force", "-f", is_flag=True, help="Terminate the connection instead of cancelling its query.")
def kill(session: Session, *, pid: int, database: str | None, app: str, force: bool) -> None:
    """Cancel a query by its process id."""
    sql = (queries.TERMINATE if force else queries.CANCEL).format(pid=pid)
    _show(session, find_target(session, app, database), sql)


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--num", "-n", type=click.IntRange(1), default=10, show_default=True, help="How many queries.")
@click.option("--truncate", "-t", is_flag=True, help="Truncate queries to 40 characters.")
@click.option("--reset", is_flag=True, help="Reset the statistics.")
def outliers(session: Session, *, database: str | None, app: str, num: int, truncate: bool, reset: bool) -> None:
    """Show the queries with the highest total time."""
    target = find_target(session, app, database)
    schema, version = _statements(session, target)
    if reset:
        owner = "_heroku" if is_essential(target.attachment["addon"]) else schema
        query(session, target, f"SELECT {owner}.pg_stat_statements_reset()")
        return
    _show(session, target, statements_sql(schema, version, order="total_exec_time", limit=num, is_short=truncate))


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--truncate", "-t", is_flag=True, help="Truncate queries to 40 characters.")
def calls(session: Session, *, database: str | None, app: str, truncate: bool) -> None:
    """Show the most frequent queries."""
    target = find_target(session, app, database)
    schema, version = _statements(session, target)
    _show(session, target, statements_sql(schema, version, order="calls", limit=10, is_short=truncate))


def _statements(session: Session, target: Target) -> tuple[str, int]:
    """The schema of pg_stat_statements, quoted by the server, and the server's version number."""
    found = query(session, target, queries.STATEMENTS_SCHEMA, "--tuples-only", "--no-align").strip()
    if not found:
        raise NotFound(
            "The pg_stat_statements extension needs to be installed first.",
            why="It collects the statistics that this command shows.",
            fix="You can install it by running:\n\nCREATE EXTENSION pg_stat_statements;",
        )
    schema, version = found.rsplit(" ", 1)
    return schema, int(version)


def statements_sql(schema: str, version: int, *, order: str, limit: int, is_short: bool) -> str:
    """The query of pg_stat_statements. PostgreSQL 17 renamed its times."""
    prefix = "shared_blk" if version >= 170000 else "blk"
    return queries.STATEMENTS.format(
        read_time=f"{prefix}_read_time",
        write_time=f"{prefix}_write_time",
        schema=schema,
        order=order,
        limit=limit,
        query=_snippet(is_short),
    )
