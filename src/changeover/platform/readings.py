"""Chooses which engine answers queries about a database. The only place that does."""

from __future__ import annotations

from changeover.engines.external import ExternalDatabase, UnusableDatabase
from changeover.engines.reading import OnOurServer, Reading
from changeover.errors.elsewhere import BadAddress
from changeover.platform.locations import location_of
from changeover.platform.scope import Parts
from changeover.platform.servers import server_of
from changeover.store.query import Db
from changeover.store.rows import Database


async def reading_of(db: Db, parts: Parts, database: Database) -> Reading:
    """For queries that work for every database. For more, `server_of` returns the server, if it is ours."""
    if database.is_external:
        try:
            return ExternalDatabase(await location_of(db, parts, database.addon_id))
        except BadAddress as refused:  # stored by an older version, or its file is gone
            return UnusableDatabase(refused)
    return OnOurServer(parts.engine, await server_of(db, database.server_name), database.database_name)
