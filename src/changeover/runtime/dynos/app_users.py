"""The user that an app's dynos run as when we are root: a uid that no other app of this host has.

Uids come from a range that distributions leave unused. Each home has a part of it, chosen by the home's path. The host's
/etc/passwd is not changed. Dynos find their user name in a copy that only they see (launch.py).
"""

from __future__ import annotations

import fcntl
from pathlib import Path

from changeover.hosts.programs import owner_ids
from changeover.runtime.dynos.writing import write_whole

FIRST_UID, PER_HOME, HOMES = 0x70000000, 1 << 14, 1 << 14
UID_MAP = Path("/proc/self/uid_map")
COUNTER, LOCK = ".last", ".lock"


class AppUsers:
    """`shared` is the user for all apps if the kernel doesn't map these uids. None without root: dynos run as we do."""

    def __init__(self, folder: Path, identity: str, shared: str | None) -> None:
        self._folder, self._shared = folder, shared
        self._first = FIRST_UID + int(identity[:8], 16) % HOMES * PER_HOME

    def of(self, app: str) -> int | str | None:
        """The app's own uid, the shared user's name, or None for our own user. Stable until it is forgotten."""
        if self._shared is None or not _is_mapped(range(self._first, self._first + PER_HOME)):
            return self._shared
        known = self.known(app)
        return known if known is not None else self._take(app)

    def known(self, app: str) -> int | None:
        """The app's uid, if it has one."""
        return _read(self._folder / app)

    def all(self) -> set[int]:
        """The uids of all apps."""
        if not self._folder.exists():
            return set()
        numbers = (_read(path) for path in self._folder.iterdir() if not path.name.startswith("."))
        return {number for number in numbers if number is not None}

    def ids(self, app: str) -> tuple[int, int]:
        """The uid and gid for files of the app's dynos."""
        user = self.of(app)
        return (user, user) if isinstance(user, int) else owner_ids(user)

    def forget(self, app: str) -> None:
        """Call this when no file of the app is left."""
        (self._folder / app).unlink(missing_ok=True)

    def _take(self, app: str) -> int:
        """The uid after the last one, so that a uid is reused as late as possible."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            known = _read(self._folder / app)  # another process may have been faster
            if known is not None:
                return known
            taken = self.all()
            last = _read(self._folder / COUNTER) or 0
            offsets = ((last + step) % PER_HOME for step in range(1, PER_HOME + 1))
            offset = next(one for one in offsets if self._first + one not in taken)
            write_whole(self._folder / COUNTER, f"{offset}\n")
            write_whole(self._folder / app, f"{self._first + offset}\n")
            return self._first + offset


def _read(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return None


def _is_mapped(wanted: range) -> bool:
    """Whether these uids are mapped. A container may map only a few."""
    for line in UID_MAP.read_text().splitlines():
        first, _, count = (int(word) for word in line.split())
        if first <= wanted.start and wanted.stop <= first + count:
            return True
    return False
