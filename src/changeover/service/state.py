"""The PostgreSQL of our own state: a small server on a unix socket only, or one given by URL."""

from __future__ import annotations

import asyncio
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from changeover.engines.local.places import Places as ServerPlaces
from changeover.engines.local.places import can_enter
from changeover.errors import BadSetting, InstallationGone
from changeover.hosts.ownership import give
from changeover.hosts.programs import owner_ids, run_or_fail
from changeover.hosts.users import SERVER_USER, ensure_system_users, run_as_for_state
from changeover.postgres import access
from changeover.postgres.cluster import Cluster
from changeover.postgres.configuration import SUPERUSER, SettingValue
from changeover.postgres.connect import connect
from changeover.postgres.installations import Installation, find_installations, newest_with_tls
from changeover.service.places import Places
from changeover.settings import Settings
from changeover.store.migrate import with_search_path

DATABASE = "changeover"
PORT = 5432
DUMPS_KEPT = 14
SMALL: dict[str, SettingValue] = {
    "listen_addresses": "", "shared_buffers": "16MB", "max_connections": 60, "max_wal_size": "128MB", "min_wal_size": "32MB",
    "wal_level": "minimal", "max_wal_senders": 0, "autovacuum_max_workers": 1, "max_parallel_workers": 0,
    "max_worker_processes": 2, "jit": False, "logging_collector": False, "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] ", "log_timezone": "UTC", "timezone": "UTC", "huge_pages": "off",
}  # fmt: skip


class State:
    """The state database of an installation. `conninfo` has psycopg's parameters."""

    def __init__(self, places: Places, settings: Settings) -> None:
        self._places = places
        self._settings = settings

    @property
    def is_ours(self) -> bool:
        return self._settings.state_url is None

    @property
    def conninfo(self) -> dict[str, str]:
        if self._settings.state_url is not None:
            found = conninfo_to_dict(self._settings.state_url)
            return with_search_path({"dbname": DATABASE, **{key: str(value) for key, value in found.items()}})
        where = {"host": str(self._places.state_sockets), "port": str(PORT), "user": SUPERUSER, "dbname": DATABASE}
        return with_search_path(where)

    def cluster(self) -> Cluster:
        """Raises InstallationGone if the PostgreSQL that created its data directory is not installed any more."""
        return Cluster(
            bin_directory=self._bin_directory(),
            data_directory=self._places.state_data,
            socket_directory=self._places.state_sockets,
            log_directory=self._places.state / "log",
            port=PORT,
            run_as=run_as_for_state(),
        )

    def _bin_directory(self) -> Path:
        major = self._major()
        if major is None:
            return self._readable(newest_with_tls(self._settings.installations))
        for installation in find_installations(self._settings.installations):
            if str(installation.version[0]) == major:
                return self._readable(installation)
        newest = max(self._places.dumps.glob("*.dump"), default=None)
        raise InstallationGone(
            "The state of this installation can't be started.",
            why=f"PostgreSQL {major} created {self._places.state_data}, but it is no longer installed on this host.",
            fix=f"Install PostgreSQL {major} again; or move {self._places.state} away and restore the last backup into a "
            f"new one: `changeover restore FILE`" + (f" (the newest dump is {newest})." if newest else "."),
        )

    def _readable(self, installation: Installation) -> Path:
        """Its programs, or a copy of them if the state's user can't enter their folder."""
        return ServerPlaces(self._places.home, self._places.sockets, run_as_for_state()).bring(installation)

    def _major(self) -> str | None:
        file = self._places.state_data / "PG_VERSION"
        return file.read_text().strip() if file.exists() else None

    async def start(self) -> None:
        """Create the server if it is new, adopt it if it runs. Our database exists on return."""
        if not self.is_ours:
            return
        await ensure_system_users()
        cluster = self.cluster()
        await self._take_from_servers(cluster)
        self._open_folders()
        await cluster.initialise(SMALL, listens=False)
        if cluster.postmaster() is None:
            await access.renew(cluster)
        await cluster.start()
        await access.renew(cluster)
        async with connect(cluster.address) as db:
            known = await (await db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])).fetchone()
            if known is None:
                await db.execute(f"CREATE DATABASE {DATABASE}")

    async def _take_from_servers(self, cluster: Cluster) -> None:
        """The previous version ran it as the user of all servers. Stops it once and changes its owner."""
        data = self._places.state_data
        if cluster.run_as is not None and data.is_dir() and data.stat().st_uid == owner_ids(SERVER_USER)[0]:
            await cluster.stop()
            await asyncio.to_thread(give, data, of=SERVER_USER, to=cluster.run_as)

    def leave_for_former_version(self) -> None:
        """Call when no server runs any more. The previous version can only start files that its own user owns."""
        user = run_as_for_state()
        if user is not None and self.is_ours:
            give(self._places.state_data, of=user, to=SERVER_USER)

    def _open_folders(self) -> None:
        """As root, the state's user must be able to pass through these."""
        for folder in (self._places.sockets, self._places.state):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711 if run_as_for_state() else 0o700)
        user = run_as_for_state()
        if user is not None and not can_enter(self._places.state, user):
            raise BadSetting(
                "CHANGEOVER_HOME",
                str(self._places.home),
                wants=f"a folder whose parents the user {user} can pass through",
            )

    async def stop(self) -> None:
        if self.is_ours:
            await self.cluster().stop()

    def is_running(self) -> bool:
        return not self.is_ours or (self._major() is not None and self.cluster().postmaster() is not None)

    async def dump(self, to: Path | None = None) -> Path:
        """Dump the state, by default to HOME/dumps, where old dumps are removed."""
        target = to or self._places.dumps / f"state-{datetime.now(UTC):%Y%m%d-%H%M%S}.dump"
        partial = target.with_name(f".{target.name}.partial")
        await run_or_fail(
            [self.program("pg_dump"), "--format=custom", "--no-password", f"--file={partial}", *self._where()],
            timeout_s=600,
        )
        partial.chmod(0o600)
        partial.rename(target)
        if to is None:
            others = sorted(one for one in self._places.dumps.glob("state-*.dump") if one != target)
            for old in others[: 1 - DUMPS_KEPT]:  # never this one, whose name may be older if the clock was set back
                old.unlink()
        return target

    def age_of_newest_dump(self) -> timedelta:
        """`timedelta.max` without a dump. Ignores one from the future, made before the clock was set back."""
        now = time.time()
        made = [path.stat().st_mtime for path in self._places.dumps.glob("state-*.dump")]
        newest = max((at for at in made if at <= now), default=None)
        return timedelta(seconds=now - newest) if newest else timedelta.max

    async def load(self, dump: Path) -> None:
        """Restore a dump into our new, empty database in one transaction."""
        await run_or_fail(
            [self.program("pg_restore"), "--single-transaction", "--exit-on-error", "--no-password", *self._where(), str(dump)],
            timeout_s=600,
        )  # fmt: skip

    def program(self, name: str) -> Path:
        if self.is_ours:
            return self._bin_directory() / name
        return newest_with_tls(self._settings.installations).bin_directory / name

    def _where(self) -> list[str]:
        if not self.is_ours:
            return [f"--dbname={self._settings.state_url}"]
        known = self.conninfo
        return [
            f"--host={known['host']}",
            f"--port={known['port']}",
            f"--username={known['user']}",
            f"--dbname={DATABASE}",
        ]

    def remove(self) -> None:
        """Removes what a failed restore created."""
        shutil.rmtree(self._places.state, ignore_errors=True)
