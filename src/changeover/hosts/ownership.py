"""Changes the owner of a folder and its contents without following links out of it."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

from changeover.hosts.programs import owner_ids


def read_within(folder: Path, name: str) -> bytes:
    """Read a file in a folder that another user writes to, without following links. Raises FileNotFoundError."""
    with open_within(folder, name, os.O_RDONLY) as file:
        return file.read()


def open_within(folder: Path, name: str, flags: int) -> IO[bytes]:
    """Open `name` in the folder. New files are private to us. Raises FileNotFoundError, also for a link."""
    try:
        handle = os.open(folder / name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
    except OSError as failure:
        if failure.errno in (errno.ELOOP, errno.ENXIO):
            raise FileNotFoundError(errno.ENOENT, "not a file of its own", str(folder / name)) from failure
        raise
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        os.close(handle)
        raise FileNotFoundError(errno.ENOENT, "not a file of its own", str(folder / name))
    return os.fdopen(handle, "ab" if flags & os.O_APPEND else "rb")


def give(folder: Path, *, of: str, to: str) -> bool:
    """Change the owner from `of` to `to`, the folder itself last. False if it already belongs to `to`.

    The next call completes an interrupted one. No process of `of` may be working in it. Entries of other owners stay
    unchanged, because they may be hard links to files elsewhere.
    """
    (former, _), (uid, gid) = owner_ids(of), owner_ids(to)
    if not folder.is_dir() or folder.is_symlink() or folder.stat().st_uid != former:
        return False
    for _, folders, files, handle in os.fwalk(folder, topdown=False, follow_symlinks=False):
        for name in (*folders, *files):
            found = os.stat(name, dir_fd=handle, follow_symlinks=False)
            is_elsewhere = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
            if found.st_uid == former and not is_elsewhere:
                os.chown(name, uid, gid, dir_fd=handle, follow_symlinks=False)
    os.chown(folder, uid, gid, follow_symlinks=False)
    return True
