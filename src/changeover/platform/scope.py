"""The caller, the transaction on our state, and the parts of the installation. The first argument of platform functions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from changeover.engines.engine import Engine
from changeover.engines.pooler import Poolers
from changeover.hosts.network import Reach
from changeover.platform.catalogue import Catalogue
from changeover.platform.leases import ANSWER_S, Lease
from changeover.platform.needs import WORKER_NEEDS, Needs, TokenNeed
from changeover.platform.secrets import Cipher
from changeover.platform.transfers.bucket import Bucket
from changeover.platform.unpacking import ArchiveLimits
from changeover.runs.ticks import Ticks
from changeover.runtime.router import Router
from changeover.runtime.runtime import Dynos, Logs
from changeover.store.access_rows import Bearer
from changeover.store.query import Db
from changeover.store.rows import Account, Release, RunRow


@dataclass(frozen=True)
class Parts:
    """What platform code depends on. Created once by service/."""

    host: str
    home: Path
    engine: Engine
    poolers: Poolers
    cipher: Cipher
    catalogue: Catalogue
    max_servers: int
    ca_certificate: Path
    ticks: Ticks
    dynos: Dynos
    logs: Logs
    router: Router
    bucket: Bucket
    archive_limits: ArchiveLimits
    boot_timeout_s: int
    trusted_proxies: tuple[str, ...]
    """Networks whose X-Forwarded headers are trusted."""
    bucket_endpoint: str | None
    installations: tuple[Path, ...]
    """PostgreSQL installations in addition to those that are found automatically."""
    foreign_addresses: Reach
    """Where accounts' addresses may lead. The operator's may lead anywhere."""

    @property
    def router_port(self) -> int | None:
        """The port on which apps answer. None until the router was started."""
        file = self.home / "router" / "listening"
        return int(file.read_text().rpartition(":")[2]) if file.exists() else None

    def release_output(self, release: Release) -> Path:
        """The file with a release phase's output."""
        return self.home / "apps" / str(release.app_id) / "releases" / f"v{release.version}.log"

    async def tick(self, started: Iterable[RunRow | None]) -> None:
        """Schedule these runs. Call this after the transaction that started them was committed."""
        for run in started:
            if run is not None:
                await self.ticks.give(run.id, run.host)


@dataclass
class Scope:
    """One request. `db` is in a transaction that commits when the request succeeds, and before other servers are queried."""

    db: Db
    caller: Account
    parts: Parts
    started: list[RunRow] = field(default_factory=list)
    """Runs that need a tick once the transaction is committed."""
    warnings: list[str] = field(default_factory=list)
    """Messages for the caller despite success."""
    needs: Needs = WORKER_NEEDS
    """What the request needs, by its route's rule. The default is for steps of runs."""
    grants: frozenset[TokenNeed] = frozenset(TokenNeed)
    """What the request's token permits."""
    is_finishing: bool = False
    """A run is ending or undoing its work, which must not fail because its author has lost a permission."""
    bearer: Bearer | None = None
    """The owner of the request's token. None in a step of a run."""
    about: tuple[UUID, str] | None = None
    """Id and name of the first app that the request looked up."""
    resource: str | None = None
    """The subject besides the app, for the audit trail: an add-on, or an account and its new permissions. No secrets."""
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    """Actions that can't be rolled back, such as removing files. They run after the commit."""
    lease: Lease | None = None
    """The lease of `db`. None in a step of a run, which has its own connection."""

    @asynccontextmanager
    async def asking(self, most_s: float | None = ANSWER_S) -> AsyncIterator[None]:
        """For queries to other servers: commits, and releases the connection until the block ends.

        What was read before may have changed afterwards. Raises TooManyQuestions, and ServerUnreachable after `most_s`.
        """
        if self.lease is None:
            yield
            return
        async with self.lease.away(self.caller.id, most_s, self._reconnect):
            yield

    async def finish(self) -> None:
        """Run what has to wait for the commit. Call this once, after it."""
        for act in self.afterwards:
            await asyncio.to_thread(act)
        await self.parts.tick(self.started)

    def _reconnect(self, db: Db) -> None:
        self.db = db
