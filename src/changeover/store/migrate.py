"""Brings a state database to this version's schema: our numbered migrations by yoyo, then procrastinate's own tables."""

from __future__ import annotations

from importlib import resources
from urllib.parse import quote

import procrastinate
import psycopg
import yoyo
from psycopg import sql
from psycopg.conninfo import make_conninfo

JOBS_SCHEMA = "procrastinate"


def migrate(conninfo: dict[str, str]) -> None:
    """Apply what is missing; repeatable, and exclusive by yoyo's own lock. Synchronous: it runs before anything serves."""
    with resources.as_file(resources.files("changeover.store") / "migrations") as folder:
        backend = yoyo.get_backend(_yoyo_url(conninfo))
        try:
            migrations = yoyo.read_migrations(str(folder))
            with backend.lock():
                backend.apply_migrations(backend.to_apply(migrations))
        finally:
            backend.connection.close()
    _install_job_tables(conninfo)


def _yoyo_url(conninfo: dict[str, str]) -> str:
    where = {k: v for k, v in conninfo.items() if k != "dbname"}
    query = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in where.items())
    return f"postgresql+psycopg:///{quote(conninfo['dbname'])}?{query}"


def _install_job_tables(conninfo: dict[str, str]) -> None:
    with psycopg.connect(make_conninfo(**conninfo), autocommit=True) as db:
        if db.execute("SELECT to_regclass(%s)", [f"{JOBS_SCHEMA}.procrastinate_jobs"]).fetchone() != (None,):
            return
        with db.transaction():
            db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(JOBS_SCHEMA)))
            db.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(JOBS_SCHEMA)))
            db.execute(procrastinate.schema.SchemaManager.get_schema())
