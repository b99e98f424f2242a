"""Who asks, on which transaction of our state, with which parts at hand. Every platform function takes a Scope first."""

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
    """What platform code stands on; put together once by service/."""

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
    """Networks whose X-Forwarded headers count."""
    bucket_endpoint: str | None
    installations: tuple[Path, ...]
    """PostgreSQL installations beside those that are found without being told."""
    foreign_addresses: Reach
    """Where the addresses that accounts name may lead. The operator's may lead anywhere."""

    @property
    def router_port(self) -> int | None:
        """Where apps answer; None while nobody has started the router."""
        file = self.home / "router" / "listening"
        return int(file.read_text().rpartition(":")[2]) if file.exists() else None

    def release_output(self, release: Release) -> Path:
        """Where what a release phase says is kept."""
        return self.home / "apps" / str(release.app_id) / "releases" / f"v{release.version}.log"

    async def tick(self, started: Iterable[RunRow | None]) -> None:
        """Have these runs driven soon; to be called once what started them is committed."""
        for run in started:
            if run is not None:
                await self.ticks.give(run.id, run.host)


@dataclass
class Scope:
    """One request. `db` is inside a transaction that commits when the request ends well, and before it asks other servers."""

    db: Db
    caller: Account
    parts: Parts
    started: list[RunRow] = field(default_factory=list)
    """Runs that need a tick once the transaction is committed."""
    warnings: list[str] = field(default_factory=list)
    """What the caller should be told although all went well."""
    needs: Needs = WORKER_NEEDS
    """What the request needs, by the rule of its route; what a step of a run needs otherwise."""
    grants: frozenset[TokenNeed] = frozenset(TokenNeed)
    """What the request's token may do."""
    is_finishing: bool = False
    """A run ends, or takes back, what it began: that must not fail because its author has lost a right meanwhile."""
    bearer: Bearer | None = None
    """Whose token was sent; None in a step of a run."""
    about: tuple[UUID, str] | None = None
    """Id and name of the first app that the request looked up."""
    resource: str | None = None
    """What it is about beside the app, for the audit trail: an add-on, an account and what it is given. No secret."""
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    """What can't be rolled back, such as removing files: it waits until the transaction is committed."""
    lease: Lease | None = None
    """Of the connection that `db` is; None in a step of a run, which has one of its own."""

    @asynccontextmanager
    async def asking(self, most_s: float | None = ANSWER_S) -> AsyncIterator[None]:
        """For questions to other servers: commits, and has no connection until the block ends.

        What was read before may have changed afterwards. Raises TooManyQuestions, and ServerUnreachable after `most_s`.
        """
        if self.lease is None:
            yield
            return
        async with self.lease.away(self.caller.id, most_s, self._reconnect):
            yield

    async def finish(self) -> None:
        """What has to wait for the commit. To be called once after it."""
        for act in self.afterwards:
            await asyncio.to_thread(act)
        await self.parts.tick(self.started)

    def _reconnect(self, db: Db) -> None:
        self.db = db
