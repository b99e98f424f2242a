"""Client sessions of a database, counted by client: one line for each instead of one for each of fifty connections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from changeover.engines.passage import ClientSession
from changeover.quantities import counted


def counted_by_client(sessions: Iterable[ClientSession]) -> list[str]:
    """`8 sessions of shop (worker.1) from 10.0.0.7`, the most numerous first."""
    known = Counter((one.user, one.application, one.address) for one in sessions)
    return [_words(*client, times) for client, times in known.most_common()]


def _words(user: str, application: str, address: str | None, times: int) -> str:
    return f"{counted(times, 'session')} of {user}{f' ({application})' if application else ''} from {address or 'a pooler'}"
