"""What stays the same when connections are lost and restored, and the names of our sessions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from changeover.postgres import ending
from changeover.postgres.connect import Connection
from changeover.postgres.location import Location
from changeover.postgres.snapshot.holder import Holder
from changeover.postgres.snapshot.job import Job
from changeover.postgres.snapshot.telling import Telling


@dataclass
class Place:
    """The job, the addresses, and the snapshot's holder."""

    job: Job
    source: Location
    target: Location
    holder: Holder
    work: Path
    telling: Telling

    @property
    def name(self) -> str:
        """The application name of our sessions on both sides."""
        return session_name(self.job)


def session_name(job: Job) -> str:
    """The application name of all of the program's sessions."""
    return f"changeover:{job.run} copy"


async def end_leftovers(connection: Connection, name: str) -> None:
    """End the sessions that an earlier program of this run, or an earlier attempt, left in this database."""
    run = name.rpartition(":")[0]
    await ending.end(connection, await ending.left_behind(connection, f"{run}:", " copy"))
