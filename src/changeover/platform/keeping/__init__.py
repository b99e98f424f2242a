"""What should run on this host runs: started again as soon as it ends, and looked at now and then besides."""

from changeover.platform.keeping.poolers import PoolerKeeper
from changeover.platform.keeping.servers import ServerKeeper
from changeover.platform.keeping.spares import SpareKeeper

__all__ = ["PoolerKeeper", "ServerKeeper", "SpareKeeper"]
