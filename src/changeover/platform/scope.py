"""Who asks, on which transaction of our state, with which parts at hand. Every platform function takes a Scope first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from changeover.engines.engine import Engine
from changeover.platform.catalogue import Catalogue
from changeover.platform.secrets import Cipher
from changeover.store.query import Db
from changeover.store.rows import Account, RunRow


@dataclass(frozen=True)
class Parts:
    """What platform code stands on; put together once by service/."""

    host: str
    home: Path
    engine: Engine
    cipher: Cipher
    catalogue: Catalogue
    max_servers: int
    ca_certificate: Path
    router_port: int | None = None


@dataclass
class Scope:
    """One request. `db` is inside a transaction that commits when the request ends well."""

    db: Db
    caller: Account
    parts: Parts
    started: list[RunRow] = field(default_factory=list)
    """Runs that need a tick once the transaction is committed."""
    warnings: list[str] = field(default_factory=list)
    """What the caller should be told although all went well."""
