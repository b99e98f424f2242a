"""The engine of servers that somebody else runs: they are asked by their address, and nothing of them is changed."""

from __future__ import annotations

from changeover.engines.external.database import ExternalDatabase, UnusableDatabase
from changeover.engines.external.identity import Identity, identify

__all__ = ["ExternalDatabase", "Identity", "UnusableDatabase", "identify"]
