"""A minute without a network between the program and either server."""

from __future__ import annotations

import time

import pytest
from tests.corpus.servers import run_sql
from tests.postgres.snapshot.conftest import Copy, wait_until
from tests.postgres.snapshot.fix_line import Line, line_to

MINUTE_S = 60


def without_network(copy: Copy, line: Line, how: str) -> None:
    copy.harm('stream "public"."orders"', "SIGSTOP")
    copy.until_harmed()
    getattr(line, how)()
    copy.go_on()
    time.sleep(MINUTE_S)
    assert copy.child
    assert copy.child.poll() is None
    line.mend()
    wait_until(lambda: copy.child and copy.child.poll() is not None, timeout_s=120)


@pytest.mark.long
@pytest.mark.parametrize("how", ["fall_silent", "break_"])
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_minute_without_network_is_outlived(copy: Copy, side: str, how: str) -> None:
    run_sql(copy.source, "INSERT INTO orders (customer, amount) SELECT 1, i FROM generate_series(1, 20000) i")
    there = getattr(copy, side)
    with line_to(there) as line:
        copy.order(**{side: there.with_(host="127.0.0.1", port=str(line.port), sslmode="disable").url}, patience_s=300)
        without_network(copy, line, how)
        outcome = copy.end()
    assert outcome is not None
    assert outcome.report is not None, outcome.error and outcome.error.message
    assert copy.has_arrived()
