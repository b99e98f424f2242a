"""Keeps everything running that should run on this host. Restarts it as soon as it ends, and checks it periodically."""

from changeover.platform.keeping.poolers import PoolerKeeper
from changeover.platform.keeping.servers import ServerKeeper
from changeover.platform.keeping.spares import SpareKeeper

__all__ = ["PoolerKeeper", "ServerKeeper", "SpareKeeper"]
