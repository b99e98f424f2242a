"""A data directory in reserve: initdb takes most of the time of creating a server, so it runs before the server is needed.

Each is used once, so every server keeps a system identifier of its own (docs/adr/0030-a-data-directory-in-reserve.md).
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
    """In a folder beside the servers', on the same file system. At most one is kept."""

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
        """It gets its name only when it is complete. What an earlier, killed attempt left is removed, never used.

        Raises what initdb raises.
        """
        folder = self.servers / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        for place in (self.servers, folder):
            place.chmod(place.stat().st_mode | (0o011 if self.run_as else 0))
        target = self._of(installation)
        # Its own name: the initdb of a killed attempt may still be writing into the other one.
        making = folder / f"{target.name}{MAKING}.{secrets.token_hex(4)}"
        await asyncio.to_thread(self._remove_all_but, target)
        await make_data_directory(making, installation, run_as=self.run_as, is_urgent=False)
        making.rename(target)

    def _remove_all_but(self, target: Path) -> None:
        for other in target.parent.iterdir():
            if other != target:
                shutil.rmtree(other, ignore_errors=True)

    def _of(self, installation: Installation) -> Path:
        """Named by the programs that made it: another version or another folder of programs makes its own."""
        major, minor = installation.version
        mark = hashlib.sha256(str(installation.bin_directory).encode()).hexdigest()[:10]
        return self.servers / FOLDER / f"{major}.{minor}-{mark}"
