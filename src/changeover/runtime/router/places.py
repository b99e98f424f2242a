"""Where the router's files lie, and how they are written: whole or not at all, for the router reads them at any moment.

Its own user writes only its logs, its storage and its socket; what it obeys belongs to us.
"""

from __future__ import annotations

import os
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path

APP = "app"
"""Holds the app's key, for the access log."""
MAINTENANCE = "maintenance.html"
"""While this file exists, it is all that people see of the app."""
ERROR = "error.html"
SLOTS = "slots"
"""Numbered files; each holds the address that the request whose turn it is goes to."""


@dataclass(frozen=True)
class RouterPlaces:
    """`home`: a folder of its own below the data directory. `sockets`: one with a short path."""

    home: Path
    sockets: Path
    run_as: str | None = None
    """The system user that the router runs as, when we are root; nobody else's, least of all the dynos'."""

    @property
    def configuration(self) -> Path:
        """All that the router is told, and what it is started with."""
        return self.home / "caddy.json"

    @property
    def listening(self) -> Path:
        """The address that it listens at, for a restart to use again."""
        return self.home / "listening"

    @property
    def said(self) -> Path:
        """What it says before it has a log."""
        return self.home / "start.log"

    @property
    def draining(self) -> Path:
        """While this file exists, every connection is closed after its next answer."""
        return self.home / "draining"

    @property
    def sites(self) -> Path:
        """One link for each app, to its lane."""
        return self.home / "sites"

    @property
    def hosts(self) -> Path:
        """One folder for each hostname; the name of the file in it is the number of a lane."""
        return self.home / "hosts"

    @property
    def lanes(self) -> Path:
        return self.home / "lanes"

    @property
    def logs(self) -> Path:
        return self.home / "log"

    @property
    def access_log(self) -> Path:
        return self.logs / "access.log"

    @property
    def storage(self) -> Path:
        return self.home / "storage"

    @property
    def socket(self) -> Path:
        """The admin API: who can open it, rules the router."""
        return self.sockets / "router" / "admin.sock"

    def lane(self, number: int) -> Path:
        """All that the router reads of one app: APP, SLOTS, MAINTENANCE, ERROR."""
        return self.lanes / str(number)

    def site(self, app: str) -> Path:
        return self.sites / app

    def make(self) -> None:
        """Make the folders; the user that the router runs as may pass through ours and write its own."""
        for folder in (self.home, self.sites, self.hosts, self.lanes, self.sockets):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(folder.stat().st_mode | (0o055 if self.run_as else 0))
        for folder in (self.logs, self.storage, self.socket.parent):
            folder.mkdir(exist_ok=True)
            self._give_away(folder, 0o700)

    def _give_away(self, folder: Path, mode: int) -> None:
        folder.chmod(mode)
        if self.run_as:
            entry = pwd.getpwnam(self.run_as)
            os.chown(folder, entry.pw_uid, entry.pw_gid)

    def write(self, path: Path, content: bytes, *, durably: bool = False) -> None:
        """Replace the file in one moment, readable for the router only; its folder is made."""
        for folder in (path.parent.parent, path.parent):
            folder.mkdir(mode=0o755 if self.run_as else 0o700, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
        try:
            with os.fdopen(handle, "wb") as file:
                if self.run_as:
                    os.fchown(file.fileno(), -1, pwd.getpwnam(self.run_as).pw_gid)
                os.fchmod(file.fileno(), 0o640)
                file.write(content)
                file.flush()
                if durably:
                    os.fsync(file.fileno())
            fresh.replace(path)
        except BaseException:
            fresh.unlink(missing_ok=True)
            raise
