"""A clean stop in the middle of long work: no program survives it, and the next start brings the work to its end."""

from __future__ import annotations

import signal

import psutil
from tests.fix_control_plane import ControlPlane, wait_until
from tests.fix_provider import Provider
from tests.service.test_lifecycle import processes_of

from changeover.hosts.remains import tasks_over

MIGRATE = ("migrate", "env:OLD", "env:NEW", "--no-owners", "--yes")


def test_a_clean_stop_ends_a_migrations_programs_and_the_next_start_finishes_it(
    own_plane: ControlPlane, provider: Provider
) -> None:
    """They are asleep, so that only force ends them."""
    source, target = provider.database(), provider.database()
    with source.database.connect() as session:
        session.execute("CREATE TABLE big AS SELECT i, repeat('x', 500) AS t FROM generate_series(1, 60000) AS i")
    with target.database.connect() as session:
        session.execute("DROP TABLE orders")
    own_plane.environment |= {"OLD": source.url, "NEW": target.url}
    own_plane.must(*MIGRATE, "--detach")
    wait_until(lambda: tasks_over(own_plane.home), what="the copy")
    for one in tasks_over(own_plane.home):
        psutil.Process(one.pid).send_signal(signal.SIGSTOP)

    assert own_plane.stop() == 0

    assert tasks_over(own_plane.home) == []
    assert processes_of(own_plane.home) == []
    own_plane.start()
    with own_plane.client() as api:
        wait_until(lambda: all(run["finished_at"] for run in api.get("/changeover/v1/runs").json()), what="its end")
    assert target.ask("SELECT count(*) FROM public.big") == [(60000,)]
