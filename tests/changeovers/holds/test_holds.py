"""Writers that are held at somebody else's PgBouncer: they wait, and go on at the target, and lose nothing."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import psycopg
import pytest
from tests.changeovers.holds.fix_bouncer import Bouncer, bouncer
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_poolers import needs_pgbouncer
from tests.fix_provider import Provider


@dataclass
class Writer:
    """Inserts through the pooler, one number a transaction, until told to stop."""

    pooler: Bouncer
    acknowledged: list[int] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        with psycopg.connect(self.pooler.url, autocommit=True, prepare_threshold=None) as session:
            number = 1000
            while not self.is_over.is_set():
                number += 1
                try:
                    session.execute("INSERT INTO orders VALUES (%s)", [number])
                except psycopg.Error as error:
                    self.failed.append(str(error))
                    return
                self.acknowledged.append(number)


@needs_pgbouncer
def test_clients_of_a_pooler_wait_and_go_on_at_the_target(control_plane: ControlPlane, provider: Provider) -> None:
    source, target = provider.database(), provider.database()
    with target.database.connect() as session:
        session.execute("DROP TABLE orders")
    with bouncer(source.location) as pooler:
        writer = Writer(pooler)
        thread = threading.Thread(target=writer.run)
        thread.start()
        wait_until(lambda: len(writer.acknowledged) > 20, what="the first orders")
        control_plane.environment |= {"OLD": source.url, "NEW": target.url}
        switch = pooler.command_to_lead(target.location)

        done = control_plane.typed(
            "migrate", "env:OLD", "env:NEW", "--no-owners", "--yes",
            "--hold", f"pgbouncer:{pooler.console}", "--on-switch", str(switch),
        )  # fmt: skip

        before = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > before + 20 or writer.failed, what="orders at the target")
        writer.is_over.set()
        thread.join()
    assert done.exit_code == 0, done.everything
    assert writer.failed == []
    there = {number for (number,) in target.ask("SELECT id FROM public.orders")}
    assert set(writer.acknowledged) <= there
    assert max(number for (number,) in source.ask("SELECT id FROM public.orders")) < max(writer.acknowledged)


@needs_pgbouncer
def test_a_pooler_that_leads_elsewhere_is_refused(control_plane: ControlPlane, provider: Provider) -> None:
    source, target = provider.database(), provider.database()
    with target.database.connect() as session:
        session.execute("DROP TABLE orders")
    control_plane.environment |= {"OLD": source.url, "NEW": target.url}
    with bouncer(target.location) as pooler:
        refused = control_plane.typed(
            "migrate", "env:OLD", "env:NEW", "--no-owners", "--yes",
            "--hold", f"pgbouncer:{pooler.console}", "--on-switch", "true",
        )  # fmt: skip

    assert refused.exit_code == 1
    assert "leads to" in refused.stderr


@pytest.mark.parametrize("hold", ["read-only", "none"])
def test_a_source_that_may_not_be_changed_says_what_to_do(
    control_plane: ControlPlane, provider: Provider, hold: str
) -> None:
    """A role that may read everything and owns nothing."""
    source, target = provider.database(), provider.database()
    with target.database.connect() as session:
        session.execute("DROP TABLE orders")
    reader = f"reader_{source.database.owner.user}"
    source.ask(f"CREATE ROLE {reader} LOGIN PASSWORD 'r' IN ROLE pg_read_all_data")
    source.ask(f"GRANT CONNECT ON DATABASE {source.location.database} TO {reader}")
    control_plane.environment |= {"OLD": source.url_with(user=reader, password="r"), "NEW": target.url}

    done = control_plane.typed("migrate", "env:OLD", "env:NEW", "--no-owners", "--yes", "--hold", hold)

    assert done.exit_code == (1 if hold == "read-only" else 0), done.everything
    if hold == "read-only":
        assert "may not make" in done.stderr
        assert "--on-hold" in done.stderr
