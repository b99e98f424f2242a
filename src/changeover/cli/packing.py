"""Packs a folder as a .tar.gz: which files to include, which to refuse."""

from __future__ import annotations

import fnmatch
import os
import stat
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from changeover.errors import Misused

IGNORED = ".slugignore"


@dataclass(frozen=True)
class Packed:
    """The contents of an archive."""

    files: int
    size_bytes: int


@dataclass(frozen=True)
class Pattern:
    """A line of a .slugignore: `*.psd` anywhere, `/test` or `doc/drafts` from the top, `tmp/` for folders only."""

    glob: str
    is_anchored: bool
    folders_only: bool

    @classmethod
    def read(cls, line: str) -> Pattern:
        if line.startswith("!"):
            raise Misused(
                f"The pattern {line} in {IGNORED} is not supported.",
                why="A .slugignore only excludes files. It can't include files again with an exclamation mark.",
                fix="Use more specific patterns.",
            )
        bare = line.rstrip("/")
        return cls(bare.lstrip("/"), "/" in bare, line.endswith("/"))

    def fits(self, path: PurePosixPath, *, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        return fnmatch.fnmatchcase(str(path) if self.is_anchored else path.name, self.glob)


def pack(folder: Path, to: IO[bytes]) -> Packed:
    """Write `folder` as a .tar.gz. Its files have no owner and are readable by everyone.

    Raises Misused for a file that can't be read, and for a link that leads outside the folder.
    """
    count, began = 0, to.tell()
    with tarfile.open(fileobj=to, mode="w:gz", compresslevel=6, format=tarfile.PAX_FORMAT) as archive:
        for path in members(folder):
            try:
                archive.add(folder / path, arcname=str(path), recursive=False, filter=_anonymous)
            except OSError as error:
                raise Misused(
                    f"{folder / path} can't be packed.",
                    why=str(error),
                    fix=f"Make it readable and don't change it while it is packed, or add it to {IGNORED}.",
                ) from error
            count += not (folder / path).is_dir() or (folder / path).is_symlink()
    return Packed(count, to.tell() - began)


def members(folder: Path) -> Iterator[PurePosixPath]:
    """The files and folders for the archive, parents first. Without sockets, pipes and devices."""
    patterns = _patterns(folder)

    def below(place: PurePosixPath) -> Iterator[PurePosixPath]:
        with os.scandir(folder / place) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = place / entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name == ".git" or any(pattern.fits(path, is_folder=is_folder) for pattern in patterns):
                continue
            if entry.is_symlink():
                _refuse_leaving(folder, path)
            elif not is_folder and not entry.is_file(follow_symlinks=False):
                continue
            yield path
            if is_folder:
                yield from below(path)

    yield from below(PurePosixPath())


def _patterns(folder: Path) -> list[Pattern]:
    try:
        lines = (folder / IGNORED).read_text().splitlines()
    except FileNotFoundError:
        return []
    return [Pattern.read(line.strip()) for line in lines if line.strip() and not line.startswith("#")]


def _refuse_leaving(folder: Path, path: PurePosixPath) -> None:
    target = os.readlink(folder / path)  # noqa: PTH115 - as written, not normalized
    lexical = os.path.normpath(path.parent / target)
    real, top = os.path.realpath(folder / path), os.path.realpath(folder)
    if target.startswith("/") or lexical.startswith("..") or os.path.commonpath([real, top]) != top:
        raise Misused(
            f"The link {path} leads outside {folder}.",
            why=f"It points to {target}, which does not exist where the app runs.",
            fix=f"Replace the link by the file, or add it to {IGNORED}.",
        )


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & stat.S_IXUSR else 0o644
    return member
