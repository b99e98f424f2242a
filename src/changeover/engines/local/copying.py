"""The initial copy of a follower: a detached `pg_basebackup`, which survives the process that started it.

Its state is observed: its process by the arguments, its progress on the leader, its completion by `backup_manifest`, which
it renames into place at the very end.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections.abc import Mapping

from changeover.engines.engine import CopyProgress, Server
from changeover.engines.local.leading import slot_of
from changeover.engines.local.places import Places
from changeover.errors import ChangeoverError, CopyFailed, DiskFull, LeaderGone, ServerUnreachable
from changeover.hosts.disks import full_disk_in
from changeover.hosts.processes import Process, end_all, everything_running
from changeover.hosts.programs import last_lines, said_in, start_detached
from changeover.postgres.cluster import make_folder, write_file
from changeover.postgres.configuration import SettingValue
from changeover.postgres.connect import Address, connect
from changeover.postgres.installations import require_program

PROGRESS = """
SELECT coalesce(100 * backup_streamed / nullif(backup_total, 0), 0)::int
  FROM pg_stat_progress_basebackup JOIN pg_stat_replication USING (pid)
 WHERE application_name = %s
"""
SPARE_BYTES = 48 * 2**20
"""What must stay free on the disk: a server stops when it can't add a 16 MB WAL file."""
LOST_ITS_LEADER = (
    "connection to server",
    "server closed the connection",
    "terminating connection",
    "could not receive data",
)


class Copying:
    """The base backup of one follower."""

    def __init__(self, places: Places, follower: Server) -> None:
        self._places, self._follower = places, follower
        self._data = follower.data_directory

    def is_whole(self) -> bool:
        """Whether the copy is complete and synced. Also true long afterwards."""
        return (self._data / "backup_manifest").is_file() and not self.processes()

    def is_unfinished(self) -> bool:
        """Whether it has begun, but is not complete or lacks its own configuration."""
        return self._places.prepared(self._follower).exists() and not self.is_whole()

    def processes(self) -> list[Process]:
        """The base backup and its child process, which receives the WAL."""
        mark = f"--pgdata={self._data}"
        return [
            process
            for process in everything_running()
            if process.program == "pg_basebackup" and mark in process.arguments
        ]

    def is_running(self) -> bool:
        """Whether the main process is running, which leads its session. Without it, the child waits forever (PostgreSQL 15)."""
        return any(process.session == process.pid for process in self.processes())

    def prepare(self, settings: Mapping[str, SettingValue]) -> None:
        """Write the follower's configuration and standby.signal to a folder beside the copy."""
        prepared = self._places.prepared(self._follower)
        shutil.rmtree(prepared, ignore_errors=True)
        make_folder(prepared, run_as=self._places.run_as)
        self._places.cluster(self._follower).configure(settings, listens=True, folder=prepared)
        write_file(prepared / "standby.signal", b"", run_as=self._places.run_as)

    async def start(self, leader: Server, *, conninfo: str, leader_bytes: int) -> None:
        """Remove what an earlier attempt left, then start the copy in the background. Raises DiskFull."""
        await self.stop()
        await asyncio.to_thread(self.clear)
        make_folder(self._data, run_as=self._places.run_as)
        self._require_room(leader_bytes)
        await start_detached(
            [
                require_program(leader.bin_directory, "pg_basebackup"),
                f"--pgdata={self._data}",
                f"--dbname={conninfo}",
                f"--slot={slot_of(self._follower.name)}",
                "--wal-method=stream",
                "--checkpoint=fast",
                "--no-password",
            ],
            log=self._places.copy_log(self._follower),
            run_as=self._places.run_as,
        )

    def clear(self) -> None:
        """Empty the data directory. The folder itself stays, because it may be a mount point."""
        if not self._data.exists():
            return
        for path in self._data.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _require_room(self, leader_bytes: int) -> None:
        """For the copy, for the WAL written in the meantime, and for other servers on the disk."""
        wanted, free = leader_bytes + 2 * SPARE_BYTES, self._free_bytes()
        if free < wanted:
            raise self._no_room("does not fit on the disk.", f"It needs {wanted} bytes", free)

    async def _end_before_the_disk_is_full(self) -> None:
        free = self._free_bytes()
        if free < SPARE_BYTES:
            await self.stop()
            raise self._no_room(
                "was stopped before it filled the disk.", f"Servers need {SPARE_BYTES} bytes for their WAL", free
            )

    def _no_room(self, what: str, wants: str, free: int) -> DiskFull:
        return DiskFull(
            f"The copy for follower {self._follower.name} {what}",
            why=f"{wants}. {free} bytes are free on the disk of {self._data}.",
            fix="Free some space there, or choose a disk with more, then try again.",
        )

    def _free_bytes(self) -> int:
        return shutil.disk_usage(self._data).free

    async def stop(self) -> None:
        """End a running copy."""
        await end_all(self.processes, gently=signal.SIGTERM)

    async def progress(self, leader: Server) -> CopyProgress:
        """Its progress. Raises LeaderGone, DiskFull or CopyFailed if it failed."""
        if self.is_whole():
            self.adopt()
            return CopyProgress(100, is_done=True)
        is_running = self.is_running()
        if is_running:
            await self._end_before_the_disk_is_full()
        percent = await self._percent(leader)
        if is_running and percent is not None:
            return CopyProgress(min(percent, 99))
        if self.is_whole():  # it finished in the meantime
            self.adopt()
            return CopyProgress(100, is_done=True)
        raise self._why_it_died(leader_answers=percent is not None)

    async def _percent(self, leader: Server) -> int | None:
        """None if the leader doesn't answer."""
        if (self._data / "backup_manifest.tmp").exists():
            return 99  # everything has arrived and is being synced, which needs no leader
            # The leader forgets a copy once it has sent the last byte, while the follower may still be receiving. So check
            # first whether the copy has begun here. If it has, the leader either still knows it or has sent everything.
        has_begun = (self._data / "backup_label").exists()
        try:
            async with connect(Address(leader.socket_directory, leader.port), timeout_s=5) as connection:
                row = await (await connection.execute(PROGRESS, [self._follower.name])).fetchone()
        except ServerUnreachable:
            return None
        if row is not None:
            return int(row[0])
        return 99 if has_begun else 0

    def adopt(self) -> None:
        """Move the prepared configuration into the finished copy, making it a standby. Repeatable."""
        prepared = self._places.prepared(self._follower)
        if not prepared.exists():
            return
        for path in sorted(prepared.iterdir()):
            shutil.move(path, self._data / path.name)
        prepared.rmdir()

    def _why_it_died(self, *, leader_answers: bool) -> ChangeoverError:
        said = said_in(self._places.copy_log(self._follower))
        what = f"The copy for follower {self._follower.name} ended before it was complete."
        if full := full_disk_in(said, what, where=self._data):
            return full
        why = last_lines(said, 3)
        if not leader_answers or any(sign in said for sign in LOST_ITS_LEADER):
            return LeaderGone(
                what, why=f"Its leader stopped answering: {why}", fix="Start the leader. The copy then starts over."
            )
        return CopyFailed(
            what, why=why, fix="Try again: the copy starts over. The lines above are the output of pg_basebackup."
        )
