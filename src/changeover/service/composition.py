"""Creates and connects the parts: engine, keys, places."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from changeover.changeovers.methods.follower.method import Follower
from changeover.changeovers.methods.method import Method
from changeover.changeovers.methods.snapshot.method import Snapshot
from changeover.changeovers.steps import Changing
from changeover.changeovers.verification.comparing import Comparisons
from changeover.changeovers.verification.steps import Verifying
from changeover.engines.local import CertificateAuthority, LocalEngine
from changeover.engines.local.pgbouncer import LocalPoolers
from changeover.engines.local.places import within_reach
from changeover.hosts.network import Reach
from changeover.hosts.users import run_as_for_apps, run_as_for_clients, run_as_for_router, run_as_for_servers
from changeover.platform.catalogue import Catalogue
from changeover.platform.scope import Parts
from changeover.platform.secrets import Cipher
from changeover.platform.transfers.bucket import Bucket
from changeover.platform.unpacking import ArchiveLimits
from changeover.platform.workflows import workflows as platform_workflows
from changeover.runs.run import Workflow
from changeover.runs.ticks import Ticks
from changeover.runtime.dynos import LocalDynos
from changeover.runtime.router import CaddyRouter, RouterPlaces
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings


def make_parts(places: Places, settings: Settings, ticks: Ticks) -> Parts:
    """The parts that platform code uses."""
    authority = CertificateAuthority(places.ca)
    engine = LocalEngine(
        home=places.home,
        sockets=places.sockets,
        authority=authority,
        run_as=run_as_for_servers(),
        configured=settings.installations,
    )
    dynos = LocalDynos(places.home, places.sockets, run_as=run_as_for_apps())
    return Parts(
        host=settings.host_name,
        home=places.home,
        engine=engine,
        poolers=LocalPoolers(
            places.home, places.sockets, authority, run_as=run_as_for_servers(), configured=settings.pgbouncer
        ),
        cipher=Cipher.from_file(places.keys),
        catalogue=Catalogue(),
        max_servers=settings.max_databases,
        ticks=ticks,
        dynos=dynos,
        logs=dynos.logs,
        router=CaddyRouter(router_places(places), trusted_proxies=settings.trusted_proxies),
        ca_certificate=authority.ensure(),
        bucket=Bucket(settings.bucket or places.backups.as_uri(), endpoint=settings.bucket_endpoint),
        boot_timeout_s=settings.boot_timeout_s,
        trusted_proxies=settings.trusted_proxies,
        archive_limits=ArchiveLimits(settings.deploy_packed_bytes, settings.deploy_unpacked_bytes),
        bucket_endpoint=settings.bucket_endpoint,
        installations=within_reach(places.home, settings.installations, run_as_for_clients()),
        foreign_addresses=Reach(settings.foreign_addresses),
    )


def workflows(parts: Parts) -> dict[str, Workflow]:
    """All kinds of runs."""
    comparisons = Comparisons(parts.installations)
    methods: dict[str, Method] = {"follower": Follower(parts), "snapshot": Snapshot(parts, comparisons)}
    product = (*Changing(parts, methods).workflows(), Verifying(parts, comparisons).workflow())
    return {**platform_workflows(parts), **{one.kind: one for one in product}}


def router_places(places: Places) -> RouterPlaces:
    return RouterPlaces(places.router, places.sockets, run_as_for_router())


def make_pool(state: State, *, most: int) -> AsyncConnectionPool[Any]:
    """Checked connections to the state. One that a restart of the state broke is replaced."""
    return AsyncConnectionPool(
        kwargs=dict(state.conninfo), min_size=1, max_size=most, open=False, timeout=10,
        check=AsyncConnectionPool.check_connection,
    )  # fmt: skip


async def connect_state(state: State) -> AsyncConnection[Any]:
    """A separate autocommit connection, for locks that last as long as it does."""
    return await psycopg.AsyncConnection.connect(make_conninfo(**state.conninfo), autocommit=True)
