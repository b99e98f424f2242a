"""Where a server's files are on this host, which user owns them, and which PostgreSQL installation it uses.

In the home: servers/NAME/{data,log,tls}. installations/ has copies of those that the servers' user can't read.
"""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from changeover.engines.engine import Server
from changeover.errors import BadSetting, InstallationGone
from changeover.postgres.cluster import Cluster
from changeover.postgres.installations import Installation, find_installations


@dataclass(frozen=True)
class Places:
    """The folders of one local engine."""

    home: Path
    sockets: Path
    run_as: str | None

    def folder(self, name: str) -> Path:
        """Everything of one server except its socket."""
        return self.home / "servers" / name

    def data(self, name: str) -> Path:
        return self.folder(name) / "data"

    def prepared(self, server: Server) -> Path:
        """A follower's configuration, until its copy is complete."""
        return self.folder(server.name) / "prepared"

    def tls(self, server: Server) -> Path:
        return self.folder(server.name) / "tls"

    def copy_log(self, server: Server) -> Path:
        return self.folder(server.name) / "copy.log"

    def cluster(self, server: Server) -> Cluster:
        """The server's files and processes. Rejects a server whose data is elsewhere: we only remove what we own."""
        if server.data_directory != self.data(server.name):
            raise ValueError(f"{server.name} does not belong to this engine: {server.data_directory}")
        return Cluster(
            bin_directory=server.bin_directory,
            data_directory=server.data_directory,
            socket_directory=server.socket_directory,
            log_directory=self.folder(server.name) / "log",
            port=server.port,
            run_as=self.run_as,
        )

    def open_folders(self, name: str) -> None:
        """Create the server's folder and let the servers' user reach it. Raises BadSetting if it can't."""
        self.folder(name).mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(parents=True, exist_ok=True)
        if self.run_as is None:
            return
        for folder in (self.home, self.home / "servers", self.folder(name), self.sockets):
            folder.chmod(folder.stat().st_mode | 0o011)
        for setting, folder in (("CHANGEOVER_HOME", self.home), ("the folder of sockets", self.sockets)):
            if not can_enter(folder, self.run_as):
                raise BadSetting(setting, str(folder), wants=f"a folder whose parents the user {self.run_as} can enter")

    # -- installations

    def usable(self, installation: Installation) -> Path:
        """The bin folder for servers: the installation's own, or that of a copy that the servers' user can read."""
        if self.run_as is None or can_enter(installation.bin_directory, self.run_as):
            return installation.bin_directory
        return self._copy_of(installation) / installation.bin_directory.relative_to(_root_of(installation))

    def bring(self, installation: Installation) -> Path:
        """Create that copy if it is needed and missing, atomically."""
        target = self.usable(installation)
        copy = self._copy_of(installation)
        if target == installation.bin_directory or copy.exists():
            return target
        making = copy.with_name(f"{copy.name}.making.{os.getpid()}")
        shutil.rmtree(making, ignore_errors=True)
        making.parent.mkdir(parents=True, exist_ok=True)
        making.parent.chmod(0o755)
        making.mkdir()
        for part in _parts_of(installation):
            shutil.copytree(part, making / part.relative_to(_root_of(installation)), symlinks=True)
        _open_to_all(making)
        try:
            making.rename(copy)
        except OSError:
            shutil.rmtree(making)
            if not copy.exists():
                raise
        return target

    def _copy_of(self, installation: Installation) -> Path:
        prefix = installation.bin_directory.relative_to(_root_of(installation)).parts[0]
        major, minor = installation.version
        return self.home / "installations" / f"{prefix}-{major}.{minor}"


def within_reach(home: Path, configured: Iterable[Path], user: str | None) -> tuple[Path, ...]:
    """Installation folders to search first, so that `user` can run programs of every version found here.

    Copies those that the user can't read into the home, once.
    """
    places = Places(home.absolute(), home.absolute(), user)
    found = [one for one in find_installations(configured) if places.usable(one) != one.bin_directory]
    return (*(places.bring(one).parent for one in found), *configured)


def can_enter(folder: Path, user: str) -> bool:
    """Whether the user may traverse every parent and read the folder, according to mode bits."""
    entry = pwd.getpwnam(user)
    for place in (folder.resolve(), *folder.resolve().parents):
        if not place.exists():
            raise InstallationGone(
                f"{folder} does not exist.",
                why=f"{place} is missing.",
                fix="Install it again, then run the command again.",
            )
        status = place.stat()
        shift = 6 if status.st_uid == entry.pw_uid else 3 if status.st_gid == entry.pw_gid else 0
        if not status.st_mode >> shift & 1:
            return False
    return True


def _root_of(installation: Installation) -> Path:
    """The base of the copy's paths: site-packages for a wheel, otherwise the grandparent folder."""
    return (
        installation.bin_directory.parents[2]
        if installation.source == "wheel"
        else installation.bin_directory.parents[1]
    )


def _parts_of(installation: Installation) -> list[Path]:
    """The installation, and the folder of shared libraries that some wheels have beside it."""
    prefix = installation.bin_directory.parent
    if installation.source != "wheel":
        return [prefix]
    package = prefix.parent
    libraries = package.with_name(package.name + ".libs")
    return [prefix, *([libraries] if libraries.is_dir() else [])]


def _open_to_all(folder: Path) -> None:
    for place, _, files in os.walk(folder):
        Path(place).chmod(0o755)
        for name in files:
            path = Path(place) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
