"""procrastinate's tables, in a separate schema."""

from __future__ import annotations

import procrastinate
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

JOBS_SCHEMA = "procrastinate"


def install_job_tables(conninfo: dict[str, str]) -> None:
    """Create them if they are missing. Synchronous, because it runs before any process serves."""
    with psycopg.connect(make_conninfo(**conninfo), autocommit=True) as db:
        if db.execute("SELECT to_regclass(%s)", [f"{JOBS_SCHEMA}.procrastinate_jobs"]).fetchone() != (None,):
            return
        with db.transaction():
            db.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(JOBS_SCHEMA)))
            db.execute(sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(JOBS_SCHEMA)))
            db.execute(procrastinate.schema.SchemaManager.get_schema())
