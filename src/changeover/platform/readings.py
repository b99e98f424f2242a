"""Who answers for a database: the engine of its server, chosen here and nowhere else."""

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
    """What may be asked of every database; for more, `server_of` has the server, where it is one of ours."""
    if database.is_external:
        try:
            return ExternalDatabase(await location_of(db, parts, database.addon_id))
        except BadAddress as refused:  # kept by an older version, or its file is gone
            return UnusableDatabase(refused)
    return OnOurServer(parts.engine, await server_of(db, database.server_name), database.database_name)
