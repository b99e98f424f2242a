"""The router's files, written atomically because the router reads them at any time.

Its user can write only its logs, its storage and its socket. Its configuration belongs to us.
"""

from __future__ import annotations

import os
import pwd
import secrets
from dataclasses import dataclass
from pathlib import Path

APP = "app"
"""Contains the app's key, for the access log."""
MAINTENANCE = "maintenance.html"
"""While this file exists, it is shown instead of the app."""
ERROR = "error.html"
SLOTS = "slots"
"""Numbered files. Each contains the address for requests whose turn it is."""


@dataclass(frozen=True)
class RouterPlaces:
    """`home` is a dedicated folder in the data directory. `sockets` is a folder with a short path."""

    home: Path
    sockets: Path
    run_as: str | None = None
    """The system user of the router when we are root. Nothing else runs as this user, in particular no dynos."""

    @property
    def configuration(self) -> Path:
        """The router's complete configuration, which it starts with."""
        return self.home / "caddy.json"

    @property
    def listening(self) -> Path:
        """The address it listens on, to use the same one after a restart."""
        return self.home / "listening"

    @property
    def said(self) -> Path:
        """Its output before it opens its log."""
        return self.home / "start.log"

    @property
    def draining(self) -> Path:
        """While this file exists, every connection is closed after its next response."""
        return self.home / "draining"

    @property
    def sites(self) -> Path:
        """A link for each app, to its lane."""
        return self.home / "sites"

    @property
    def hosts(self) -> Path:
        """A folder for each hostname. The name of the file in it is the number of a lane."""
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
        """The admin API. Access to it means full control of the router."""
        return self.sockets / "router" / "admin.sock"

    def lane(self, number: int) -> Path:
        """What the router reads for one app: APP, SLOTS, MAINTENANCE, ERROR."""
        return self.lanes / str(number)

    def site(self, app: str) -> Path:
        return self.sites / app

    def make(self) -> None:
        """Create the folders. The router's user may traverse ours and write to its own."""
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
        """Replace the file atomically, readable only for the router. Creates its folder."""
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
