"""Brings a state database to this version's schema: our numbered migrations, by yoyo."""

from __future__ import annotations

from importlib import resources
from urllib.parse import quote

import yoyo


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


def _yoyo_url(conninfo: dict[str, str]) -> str:
    where = {k: v for k, v in conninfo.items() if k != "dbname"}
    query = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in where.items())
    return f"postgresql+psycopg:///{quote(conninfo['dbname'])}?{query}"
