"""Keeps something in reserve that shortens the creation of the next server."""

from __future__ import annotations

import logging
import time

from changeover.errors import ChangeoverError
from changeover.platform.scope import Parts

log = logging.getLogger(__name__)

QUIET_S = 3.0
"""Not at the same time as what has just used the former one, or as the control plane that starts."""
LOOK_AGAIN_S = 300.0


class SpareKeeper:
    """Looks when servers come and go. Without a spare the next server only takes longer to create."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine
        self._missing_since: float | None = None

    async def look(self) -> float:
        """The seconds until the next look."""
        try:
            return await self._keep()
        except ChangeoverError as error:
            log.warning("no data directory is kept ready: %s", error.message)
            return LOOK_AGAIN_S

    async def _keep(self) -> float:
        if self._engine.has_spare():
            self._missing_since = None
            return LOOK_AGAIN_S
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        if (left_s := self._missing_since + QUIET_S - now) > 0:
            return left_s
        await self._engine.make_spare()
        self._missing_since = None
        return LOOK_AGAIN_S
