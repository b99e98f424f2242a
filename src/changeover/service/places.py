"""The paths of an installation: one data directory, and a folder for sockets outside it. Standard library only."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Places:
    """Paths below a data directory, and its socket folder, whose path must be short."""

    home: Path

    @property
    def lock(self) -> Path:
        """Locked by the parent process while it runs. Contains its pid."""
        return self.home / "changeover.lock"

    @property
    def made_at(self) -> Path:
        """Contains the path at which this home was created."""
        return self.home / "place"

    @property
    def endpoint(self) -> Path:
        """The address of the running control plane, for the CLI."""
        return self.home / "endpoint.json"

    @property
    def in_use(self) -> Path:
        """Locked (shared) by every user of a private control plane, which ends when it is not used."""
        return self.home / "in-use"

    @property
    def keys(self) -> Path:
        return self.home / "keys" / "secrets.keys"

    @property
    def operator_token(self) -> Path:
        return self.home / "operator-token"

    @property
    def ca(self) -> Path:
        return self.home / "ca"

    @property
    def logs(self) -> Path:
        return self.home / "log"

    @property
    def state(self) -> Path:
        return self.home / "state"

    @property
    def state_data(self) -> Path:
        return self.state / "data"

    @property
    def router(self) -> Path:
        return self.home / "router"

    @property
    def rendezvous_tls(self) -> Path:
        return self.home / "rendezvous"

    @property
    def backups(self) -> Path:
        """Backups of databases, if no bucket is configured."""
        return self.home / "backups"

    @property
    def dumps(self) -> Path:
        return self.home / "dumps"

    @property
    def state_sockets(self) -> Path:
        return self.sockets / "state"

    @property
    def sockets(self) -> Path:
        """One folder for each data directory, because paths of unix sockets are limited to about 100 bytes."""
        mark = hashlib.sha256(os.fsencode(self.home.resolve())).hexdigest()[:10]
        if os.geteuid() == 0:
            return Path("/run/changeover") / mark
        return Path(tempfile.gettempdir()) / f"changeover-{os.geteuid()}-{mark}"

    def make(self) -> None:
        """Create the data directory. As root, others may pass through but not list it, for PostgreSQL's own user."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for folder in (self.logs, self.dumps):
            folder.mkdir(mode=0o700, exist_ok=True)
