"""Keeps a prepared data directory for the next server."""

from __future__ import annotations

import logging
import time

from changeover.errors import ChangeoverError
from changeover.platform.scope import Parts

log = logging.getLogger(__name__)

QUIET_S = 3.0
"""Delays the work after a spare was used, and after the control plane has started."""
LOOK_AGAIN_S = 300.0


class SpareKeeper:
    """Checks when servers are created or destroyed. Without a spare, creating a server only takes longer."""

    def __init__(self, parts: Parts) -> None:
        self._engine = parts.engine
        self._missing_since: float | None = None

    async def look(self) -> float:
        """Returns the seconds until the next round."""
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
