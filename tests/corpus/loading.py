"""The corpus: files of SQL in this folder, each with what has gone wrong for somebody who moved a database."""

from __future__ import annotations

from pathlib import Path

import psycopg
from tests.corpus.servers import Server, run_sql

from changeover.postgres.location import Location

HERE = Path(__file__).parent
EVERYWHERE = tuple(
    "types sequences keys partitions constraints search_path names objects rights extensions large_objects".split()
)


def has_xml(server: Server) -> bool:
    """It was built with libxml."""
    try:
        run_sql(server.location(), "SELECT '<a/>'::xml")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


def load(location: Location, *names: str) -> None:
    """Each file is one transaction."""
    for name in names:
        with psycopg.connect(location.url, autocommit=True) as session:
            session.execute("SET client_min_messages = warning")
            session.execute((HERE / f"{name}.sql").read_bytes())
