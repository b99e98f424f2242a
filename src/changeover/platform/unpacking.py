"""Unpacks the archive of a deploy. The archive is untrusted, so it is read to the end, checked, and limited.

tarfile stops at the end marker of the tar, before the checksum of the gzip stream, and treats a damaged header as the end. So
it reads through `_Reader`, which counts, and the rest is read and checked here.
"""

from __future__ import annotations

import errno
import gzip
import os
import threading
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from backports import tarfile

from changeover.errors import ArchiveTooLarge, BadArchive, DiskFull

MOST_FILES = 100_000
LONGEST_PATH, DEEPEST_PATH = 1000, 64
LARGEST_READ = 1 << 20
"""Per read. File contents are read in smaller pieces, and no header of a valid archive is larger."""
BLOCK_BYTES = 64 * 1024
SPACE_ERRORS = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class ArchiveLimits:
    """The maximum size of a deploy."""

    packed_bytes: int
    unpacked_bytes: int
    unpack_s: float = 300.0


def unpack(archive: Path, folder: Path, limits: ArchiveLimits, given_up: threading.Event) -> int:
    """Write the members of a tar.gz to the new `folder`. Returns the total size of its files.

    All files are readable by everyone, so the parent folder decides who has access. On BadArchive, ArchiveTooLarge or
    DiskFull, a part has been written.
    """
    try:
        with gzip.open(archive) as stream:
            reader = _Reader(stream, limits, given_up)
            tree = _Tree(folder)
            with tarfile.open(fileobj=reader, mode="r:", tarinfo=_Entry) as packed:
                while member := packed.next():
                    tree.add(packed, member)
                    packed.members.clear()  # otherwise it would keep every member
            _expect_the_end(reader)
            tree.check_links()
            return tree.size_bytes
    except EOFError:
        raise BadArchive("It is truncated: the end of the gzip stream is missing.") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BadArchive(f"The gzip stream is damaged: {error}.") from None
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise BadArchive(f"The tar archive is damaged: {error}.") from None
    except OSError as error:
        if error.errno in SPACE_ERRORS:
            raise disk_is_full(folder) from None
        raise BadArchive(f"A member can't be written: {error.strerror}.") from None


def disk_is_full(folder: Path) -> DiskFull:
    return DiskFull(
        "The deploy does not fit on this host.",
        why=f"The disk of {folder} is full. Nothing of the deploy was kept.",
        fix="Free some space, then deploy again.",
    )


class _Reader:
    """Reads the unpacked stream sequentially. Raises when it is too long or takes too long."""

    def __init__(self, stream: gzip.GzipFile, limits: ArchiveLimits, given_up: threading.Event) -> None:
        self._stream, self._limits, self._given_up = stream, limits, given_up
        self._deadline = time.monotonic() + limits.unpack_s
        self._at = 0
        self.last = b""
        """The result of the last read: the block at which tarfile stopped."""

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self._at:
            raise BadArchive("Its members are not in order.")
        while self._at < offset:
            if not self.read(min(BLOCK_BYTES, offset - self._at)):
                break
        return self._at

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= LARGEST_READ:
            raise BadArchive("It has a header larger than 1 MB.")
        if self._given_up.is_set():
            raise BadArchive("The deploy was cancelled.")
        if time.monotonic() > self._deadline:
            raise ArchiveTooLarge(f"Unpacking it took longer than {self._limits.unpack_s:.0f} s.")
        self.last = self._stream.read(size)
        self._at += len(self.last)
        if self._at > self._limits.unpacked_bytes:
            raise ArchiveTooLarge(
                f"Unpacked, it is larger than {self._limits.unpacked_bytes} bytes.",
                fix="Leave files out with a .slugignore, or raise CHANGEOVER_DEPLOY_UNPACKED_BYTES on the server.",
            )
        return self.last


class _Entry(tarfile.TarInfo):  # type: ignore[misc]
    """A member. Sparse ones are refused before their map is read, because it can claim petabytes."""

    def _proc_sparse(self, _packed: tarfile.TarFile) -> tarfile.TarInfo:
        raise _sparse()

    def _proc_gnusparse_00(self, *_: object) -> None:
        raise _sparse()

    def _proc_gnusparse_01(self, *_: object) -> None:
        raise _sparse()

    def _proc_gnusparse_10(self, *_: object) -> None:
        raise _sparse()


def _sparse() -> BadArchive:
    return BadArchive("It contains a sparse file.", fix="Pack it without --sparse.")


class _Tree:
    """The contents of the folder so far. Nothing is written through a link, or twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kinds: dict[str, str] = {"": "folder"}
        self.size_bytes = 0
        self._make_folder(folder)

    def add(self, packed: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = _checked_name(member.name)
        self._make_parents(name)
        if member.isdir():
            self._add_folder(name)
            return
        self._note(name, "link" if member.issym() else "file")
        if member.isreg():
            self._write(packed, member, name)
        elif member.issym():
            (self._folder / name).symlink_to(member.linkname)
        elif member.islnk():
            self._link(member, name)
        else:
            raise BadArchive(f"{_shown(name)} is neither a file, a folder nor a link.")

    def check_links(self) -> None:
        """Raises BadArchive for a symbolic link that leads out of the folder, directly or through others."""
        top = os.path.realpath(self._folder)
        for name, kind in self._kinds.items():
            if kind != "link":
                continue
            target = os.readlink(self._folder / name)  # noqa: PTH115 - unresolved
            real = os.path.realpath(self._folder / name)
            if target.startswith("/") or os.path.commonpath([real, top]) != top:
                raise BadArchive(f"The link {_shown(name)} leads out of the archive.")

    def _make_parents(self, name: str) -> None:
        parts = name.split("/")[:-1]
        for end in range(1, len(parts) + 1):
            self._add_folder("/".join(parts[:end]))

    def _add_folder(self, name: str) -> None:
        if self._kinds.get(name) == "folder":
            return
        self._note(name, "folder")
        self._make_folder(self._folder / name)

    def _note(self, name: str, kind: str) -> None:
        if name in self._kinds:
            raise BadArchive(f"{_shown(name)} occurs twice, or is used as a folder but isn't one.")
        if len(self._kinds) > MOST_FILES:
            raise ArchiveTooLarge(f"It has more than {MOST_FILES} files and folders.")
        self._kinds[name] = kind

    @staticmethod
    def _make_folder(folder: Path) -> None:
        folder.mkdir(mode=0o700)
        folder.chmod(0o755)

    def _write(self, packed: tarfile.TarFile, member: tarfile.TarInfo, name: str) -> None:
        content = packed.extractfile(member)
        if content is None or member.size < 0:
            raise BadArchive(f"{_shown(name)} has no readable content.")
        handle = os.open(
            self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
        )
        with open(handle, "wb") as file:
            while block := content.read(BLOCK_BYTES):
                file.write(block)
            if file.tell() != member.size:
                raise BadArchive(f"{_shown(name)} is truncated.")
            os.fchmod(handle, 0o755 if member.mode & 0o100 else 0o644)
        self.size_bytes += member.size

    def _link(self, member: tarfile.TarInfo, name: str) -> None:
        target = _checked_name(member.linkname)
        if self._kinds.get(target) != "file" or target == name:
            raise BadArchive(f"{_shown(name)} is a hard link to a file that is not before it in the archive.")
        os.link(self._folder / target, self._folder / name, follow_symlinks=False)


def _checked_name(name: str) -> str:
    """Relative and normalized. Empty for the folder itself. Raises BadArchive."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts:
        raise BadArchive(f"The path {_shown(name)} leads out of the archive.")
    if len(os.fsencode(name)) > LONGEST_PATH or len(parts) > DEEPEST_PATH:
        raise BadArchive(
            f"The path {_shown(name)} is too long.", fix=f"Use at most {LONGEST_PATH} bytes and {DEEPEST_PATH} folders."
        )
    return "/".join(parts)


def _shown(name: str) -> str:
    """Safe to print, and short."""
    return ascii(name if len(name) <= 100 else f"{name[:100]}…")


def _expect_the_end(reader: _Reader) -> None:
    """Reads to the end, so that gzip checks its checksum. Only zeros may follow the members."""
    if not reader.last:
        raise BadArchive("It is truncated: the end marker of the tar archive is missing.")
    while not reader.last.strip(b"\0"):
        if not reader.read(BLOCK_BYTES):
            return
    raise BadArchive("It has a damaged header, or data after its end.")
