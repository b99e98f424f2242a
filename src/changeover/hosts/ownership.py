"""Gives a folder with everything in it to another system user, without following what is inside elsewhere."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO

from changeover.hosts.programs import owner_ids


def read_within(folder: Path, name: str) -> bytes:
    """A file of a folder that another user writes to: never one elsewhere, by a link. Raises FileNotFoundError."""
    with open_within(folder, name, os.O_RDONLY) as file:
        return file.read()


def open_within(folder: Path, name: str, flags: int) -> IO[bytes]:
    """Opens NAME in the folder, for us alone where it is made. Raises FileNotFoundError, also for a link."""
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
    """What belongs to the user `of` belongs to `to` afterwards, the folder itself last; False where it is so already.

    An interrupted call is finished by the next one. No process of `of` may be working in it. Entries of any other
    owner stay as they are: one may be a hard link to a file elsewhere.
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
