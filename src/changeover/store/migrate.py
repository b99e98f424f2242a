"""Upgrades a state database to this version's schema, with numbered migrations and yoyo.

Our tables are in schema `state`. Views with the same names in `public` are for the previous version and have the columns that
it knows. Migrations leave these views alone. yoyo's own tables stay in `public`, where both versions find them.
"""

from __future__ import annotations

from importlib import resources
from urllib.parse import quote

import yoyo
from yoyo.backends import DatabaseBackend
from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
from yoyo.connections import parse_uri

SEARCH_PATH = "state,public"


def with_search_path(conninfo: dict[str, str]) -> dict[str, str]:
    """Connection parameters with the search_path that finds this version's tables."""
    return {**conninfo, "options": f"{conninfo.get('options', '')} -c search_path={SEARCH_PATH}".strip()}


class _Backend(PostgresqlPsycopgBackend):  # type: ignore[misc]  # yoyo is untyped
    def copy(self) -> DatabaseBackend:
        """The connection that runs one migration. New tables go to `state`, and existing names refer to tables."""
        own: DatabaseBackend = super().copy()
        own.execute(f"SET search_path = {SEARCH_PATH}")
        return own


def migrate(conninfo: dict[str, str]) -> None:
    """Apply missing migrations. Repeatable, and exclusive through yoyo's lock. Synchronous: runs before anything is served."""
    with resources.as_file(resources.files("changeover.store") / "migrations") as folder:
        backend = _Backend(parse_uri(_yoyo_url(conninfo)), "_yoyo_migration")
        backend.init_database()
        try:
            migrations = yoyo.read_migrations(str(folder))
            with backend.lock():
                backend.apply_migrations(backend.to_apply(migrations))
        finally:
            backend.connection.close()


def _yoyo_url(conninfo: dict[str, str]) -> str:
    where = {k: v for k, v in conninfo.items() if k not in ("dbname", "options")}
    query = "&".join(f"{k}={quote(str(v), safe='')}" for k, v in where.items())
    return f"postgresql+psycopg:///{quote(conninfo['dbname'])}?{query}"
