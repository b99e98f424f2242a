"""Sources and targets of the corpus: one of each major for all its tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.corpus.servers import Server, programs_of, running

IMPATIENT: dict[str, Any] = {
    "idle_in_transaction_session_timeout": "2s", "wal_sender_timeout": "5s", "password_encryption": "scram-sha-256",
}  # fmt: skip
"""The sources end whoever is idle while he holds a snapshot. And their passwords are as the targets want them."""


class Servers:
    """Sources and targets of each major, started when they are first asked for."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack, self._running = stack, dict[tuple[str, int], Server]()

    def pair(self, older: int, newer: int) -> tuple[Server, Server]:
        return self._one("source", older), self._one("target", newer)

    def _one(self, side: str, major: int) -> Server:
        if (side, major) not in self._running:
            programs = programs_of(major)
            if programs is None:
                pytest.skip(f"there is no PostgreSQL {major} here")
            settings = IMPATIENT if side == "source" else {}
            self._running[side, major] = self._stack.enter_context(running(programs, **settings))
        return self._running[side, major]


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    with ExitStack() as stack:
        yield Servers(stack)
