"""The engine for servers run by others: connects to their addresses and changes nothing on them."""

from __future__ import annotations

from changeover.engines.external.database import ExternalDatabase, UnusableDatabase
from changeover.engines.external.identity import Identity, identify

__all__ = ["ExternalDatabase", "Identity", "UnusableDatabase", "identify"]
