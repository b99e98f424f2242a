"""A prepared data directory. initdb takes most of the time of creating a server, so it runs before the server is needed.

Each is used only once, so every server has its own system identifier (docs/adr/0030-a-data-directory-in-reserve.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from changeover.postgres.cluster import make_data_directory
from changeover.postgres.installations import Installation

FOLDER = ".spare"
MAKING = ".making"


@dataclass(frozen=True)
class Spares:
    """A folder beside those of the servers, on the same file system. Contains at most one spare."""

    servers: Path
    run_as: str | None

    def take(self, installation: Installation, to: Path) -> bool:
        """Move the spare of this installation to `to`, which must not exist. False if there is none."""
        try:
            self._of(installation).rename(to)
        except FileNotFoundError:
            return False
        return True

    def has(self, installation: Installation) -> bool:
        return self._of(installation).is_dir()

    async def make(self, installation: Installation) -> None:
        """The folder gets its final name when it is complete. Removes leftovers of killed attempts and never uses them.

        Raises what initdb raises.
        """
        folder = self.servers / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for place in (self.servers, folder):
            place.chmod(place.stat().st_mode | (0o011 if self.run_as else 0))
        target = self._of(installation)
        # A unique name, because the initdb of a killed attempt may still be writing.
        making = folder / f"{target.name}{MAKING}.{secrets.token_hex(4)}"
        await asyncio.to_thread(self._remove_all_but, target)
        await make_data_directory(making, installation, run_as=self.run_as, is_urgent=False)
        making.rename(target)

    def _remove_all_but(self, target: Path) -> None:
        for other in target.parent.iterdir():
            if other != target:
                shutil.rmtree(other, ignore_errors=True)

    def _of(self, installation: Installation) -> Path:
        """Named after the installation, so each version and each folder of programs has its own."""
        major, minor = installation.version
        mark = hashlib.sha256(str(installation.bin_directory).encode()).hexdigest()[:10]
        return self.servers / FOLDER / f"{major}.{minor}-{mark}"
