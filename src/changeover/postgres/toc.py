"""Parses the table of contents of a pg_dump archive: exact names, including dependencies.

`pg_restore --list` prints names without quotes and line breaks, so two objects can look alike. Here each entry has the number
that pg_restore uses for it, and the class and oid of its object on the source. The custom format and `toc.dat` of the
directory format begin alike (PostgreSQL's pg_backup_archiver.c, versions 1.12 to 1.16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

MAGIC: Final = b"PGDMP"
OLDEST, NEWEST = (1, 12), (1, 16)
"""The versions of PostgreSQL 9.0 and 18."""
LONGEST: Final = 1 << 30
MOST: Final = 10_000_000


class NotRead(ValueError):
    """Not an archive, or an archive of an unknown version."""


class CutShort(NotRead):
    """The data ends within the table of contents. With more data it may be readable."""


@dataclass(frozen=True)
class TocEntry:
    """An object, a property of one, or the rows of one."""

    number: int
    """pg_restore's number, as `--use-list` takes it."""
    class_oid: int
    """0, like the oid, for entries without a catalog row."""
    oid: int
    kind: str
    """`TABLE`, `TABLE DATA`, `COMMENT`, …"""
    schema: str
    """Empty if it is in no schema."""
    name: str
    """Unquoted and complete. For a COMMENT, ACL or SECURITY LABEL, its subject: `TABLE orders`."""
    owner: str
    definition: bytes
    access_method: str
    relkind: str
    """Since PostgreSQL 17."""
    depends: tuple[int, ...]
    """Numbers of entries; some are not in the archive."""
    position: int = 0
    """Its position in the archive, from 0. It comes after everything that it needs."""


@dataclass(frozen=True)
class Head:
    """The beginning of an archive. Entries are in the archive's order."""

    version: tuple[int, int]
    compression: int
    """`GZIP`, another number of pg_backup_archiver.h, or 0 for none."""
    entries: tuple[TocEntry, ...]

    @property
    def needs_major(self) -> int:
        """The oldest PostgreSQL whose pg_restore reads archives of this version."""
        return next(major for version, major in READERS if self.version >= version)


READERS: Final = (((1, 16), 17), ((1, 15), 16), ((1, 14), 12), (OLDEST, 9))
GZIP: Final = 1


class Source(Protocol):
    """A source of bytes: a file or a file-like object."""

    def read(self, count: int, /) -> bytes: ...


def read_head(stream: Source) -> Head:
    """Reads no further than the table of contents. Raises NotRead; CutShort when `stream` ends too early."""
    reader = _Reader(stream)
    entries = reader.toc()
    return Head(reader.version, reader.compression, tuple(entries))


def read_toc(stream: Source) -> list[TocEntry]:
    """The entries in the order of the archive. Raises NotRead, and CutShort when `stream` ends too early."""
    return list(read_head(stream).entries)


class _Reader:
    def __init__(self, stream: Source) -> None:
        self._stream = stream
        if self._take(5) != MAGIC:
            raise NotRead("It is not a pg_dump archive.")
        major, minor, _ = self._take(3)
        self.version = (major, minor)
        if not OLDEST <= self.version <= NEWEST:
            raise NotRead(f"Its archive version {major}.{minor} is not supported.")
        self.compression = 0
        self._int_bytes, self._offset_bytes, self._format = self._take(3)
        if not 1 <= self._int_bytes <= 8 or self._offset_bytes > 16:
            raise NotRead("Its header is invalid.")

    def toc(self) -> list[TocEntry]:
        if self.version >= (1, 15):
            [self.compression] = self._take(1)
        else:
            self.compression = GZIP if self._int() else 0
        for _ in range(7):
            self._int()  # creation time
        for _ in range(3):
            self._bytes()  # database name, server and pg_dump version
        count = self._int()
        if not 0 <= count <= MOST:
            raise NotRead("Its table of contents has an invalid length.")
        return [self._entry(position) for position in range(count)]

    def _entry(self, position: int) -> TocEntry:
        number = self._int()
        self._int()  # whether it has data
        class_oid, oid = int(self._text() or 0), int(self._text() or 0)
        name, kind = self._text(), self._text()
        self._int()  # section
        definition = self._bytes() or b""
        self._bytes()  # DROP statement
        self._bytes()  # COPY statement
        schema = self._text()
        self._bytes()  # tablespace
        access_method = self._text() if self.version >= (1, 14) else ""
        relkind = chr(self._int()) if self.version >= (1, 16) else ""
        owner = self._text()
        self._bytes()  # whether it has oids
        depends = self._numbers()
        self._place()
        return TocEntry(
            number,
            class_oid,
            oid,
            kind,
            schema,
            name,
            owner,
            definition,
            access_method,
            relkind.strip("\0"),
            depends,
            position,
        )

    def _numbers(self) -> tuple[int, ...]:
        found = []
        while (text := self._bytes()) is not None:
            found.append(int(text))
        return tuple(found)

    def _place(self) -> None:
        """Where its data begins: an offset in the custom format, a file name in the directory format."""
        if self._format == 1:
            self._take(1 + self._offset_bytes)
        else:
            self._bytes()

    def _int(self) -> int:
        sign, *digits = self._take(1 + self._int_bytes)
        value = int.from_bytes(bytes(digits), "little")
        return -value if sign else value

    def _text(self) -> str:
        return (self._bytes() or b"").decode(errors="surrogateescape")

    def _bytes(self) -> bytes | None:
        length = self._int()
        if length < 0:
            return None
        if length > LONGEST:
            raise NotRead("Its table of contents is invalid.")
        return self._take(length)

    def _take(self, count: int) -> bytes:
        taken = self._stream.read(count)
        if len(taken) < count:
            raise CutShort("It ends inside its table of contents.")
        return taken
