"""The sources of a restore: one of our backups, a file, a URL, another bucket, or a database.

Each provides its bytes as a stream from the beginning once it is opened. Nothing is stored on disk.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit
from urllib.request import Request
from uuid import UUID

from changeover.errors import InvalidParams
from changeover.errors.elsewhere import BadAddress
from changeover.errors.transfers import BackupGone, BucketRefused, BucketUnreachable
from changeover.hosts.network import Reach
from changeover.hosts.web import checked_url, open_url
from changeover.platform.transfers.bucket import READ_BYTES, Bucket
from changeover.platform.transfers.dumping import SourceFacts, dumping
from changeover.postgres.extension_members import Member
from changeover.postgres.location import Location

SILENCE_S = 60.0


@dataclass
class Opened:
    """A stream. `bytes_total` is 0 if unknown. Setting `is_given_up` ends it."""

    chunks: Iterator[bytes]
    bytes_total: int = 0
    database_bytes: int | None = None
    """The size of the database that is being dumped."""
    members: frozenset[Member] = frozenset()
    """Members of that database's extensions."""
    impossible_views: tuple[tuple[str, str], ...] = ()
    """Views of that database that the dump leaves out."""
    is_given_up: bool = field(default=False)

    def give_up(self) -> None:
        self.is_given_up = True


class Origin(Protocol):
    """Opening it blocks, so do that in a thread."""

    def open(self) -> AbstractContextManager[Opened]: ...


@dataclass(frozen=True)
class InBucket:
    bucket: Bucket
    key: str

    @contextmanager
    def open(self) -> Iterator[Opened]:
        """Raises BackupGone, BucketRefused, BucketMissing, BucketUnreachable."""
        size, chunks = self.bucket.read(self.key)
        yield _stoppable(chunks, size)


@dataclass(frozen=True)
class OnHost:
    """A file of this host."""

    path: Path

    @contextmanager
    def open(self) -> Iterator[Opened]:
        """Raises BackupGone."""
        try:
            file = self.path.open("rb")
        except OSError as error:
            raise BackupGone(
                f"{self.path} can't be read.", why=f"{error.strerror}.", fix="Give a file on the control plane's host."
            ) from None
        with file:
            yield _stoppable(_read(file), self.path.stat().st_size)


@dataclass(frozen=True)
class OnWeb:
    """`url` may be presigned. Then it is a secret, and messages don't contain it."""

    url: str = field(repr=False)
    reach: Reach = Reach.PRIVATE

    @contextmanager
    def open(self) -> Iterator[Opened]:
        """Raises BackupGone, BucketRefused, BucketUnreachable, BadAddress, AddressNotAllowed."""
        with self._in_words():
            response = open_url(Request(self.url), self.reach, timeout_s=SILENCE_S)  # noqa: S310 - its scheme is checked
        with response:
            total = int(response.headers.get("Content-Length") or 0)
            yield _stoppable(self._chunks(response, total), total)

    def _chunks(self, response: _Readable, total: int) -> Iterator[bytes]:
        """Detects a connection that was cut off, which the library treats as the end."""
        with self._in_words():
            done = 0
            for chunk in _read(response):
                done += len(chunk)
                yield chunk
            if done < total:
                raise http.client.IncompleteRead(b"", total - done)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        host = urlsplit(self.url).netloc.rpartition("@")[2]
        what = f"The backup at {host} can't be read."
        try:
            yield
        except urllib.error.HTTPError as refused:
            refused.close()
            why = f"The answer was {refused.code} {refused.reason}."
            if refused.code in (404, 410):
                raise BackupGone(what, why=why, fix="Check the URL.") from None
            if refused.code < 500:
                raise BucketRefused(what, why=why, fix="A presigned URL expires. Create a new one.") from None
            raise BucketUnreachable(what, why=why, fix="It is tried again automatically.") from None
        except (OSError, ValueError, http.client.HTTPException) as failed:
            reason = failed.reason if isinstance(failed, urllib.error.URLError) else failed
            raise BucketUnreachable(what, why=f"{reason or type(failed).__name__}.", fix="It is tried again.") from None


@dataclass(frozen=True)
class FromDatabase:
    """A dump that is streamed directly into the restore: a copy."""

    program: Path
    location: Location
    transfer: UUID
    facts: SourceFacts

    @contextmanager
    def open(self) -> Iterator[Opened]:
        with dumping(self.program, self.location, self.transfer, self.facts) as dump:
            opened = Opened(dump.chunks(), database_bytes=self.facts.bytes, members=self.facts.members)
            opened.impossible_views = self.facts.impossible_views
            opened.give_up = dump.give_up  # type: ignore[method-assign]
            yield opened


def origin_of(url: str, *, endpoint: str | None, reach: Reach) -> Origin:
    """From a user's URL. Raises InvalidParams if it can't be restored from, or not by this user.

    Files of the host, and buckets read with our own keys, contain all accounts' backups. Only the operator may use them.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidParams("Invalid backup URL.", fix="Write it as https://HOST/PATH.") from None
    if parts.scheme in ("file", "s3") and reach is not Reach.ANYWHERE:
        raise InvalidParams(
            f"A backup at {parts.scheme}:// can only be restored by the operator.",
            why="It is read with the control plane's own permissions.", fix="Use a presigned https:// URL.",
        )  # fmt: skip
    if parts.scheme == "file" and parts.path:
        return OnHost(Path(unquote(parts.path)))
    if parts.scheme == "s3" and parts.netloc and parts.path.strip("/"):
        return InBucket(Bucket(f"s3://{parts.netloc}", endpoint=endpoint), unquote(parts.path.strip("/")))
    try:
        return OnWeb(checked_url(url), reach)
    except BadAddress as refused:
        raise InvalidParams(
            "Invalid backup URL.", why=f"{refused.what} {refused.why}".strip(),
            fix="Write https://…, s3://BUCKET/KEY or file:///PATH, or choose one from `changeover pg:backups`.",
        ) from None  # fmt: skip


def _stoppable(chunks: Iterator[bytes], size: int) -> Opened:
    opened = Opened(iter(()), size)

    def until_given_up() -> Iterator[bytes]:
        for chunk in chunks:
            if opened.is_given_up:
                return
            yield chunk

    opened.chunks = until_given_up()
    return opened


def _read(file: _Readable) -> Iterator[bytes]:
    """Returns data as it arrives, so that a slow connection shows progress."""
    while chunk := file.read1(READ_BYTES):
        yield chunk


class _Readable(Protocol):
    def read1(self, size: int, /) -> bytes: ...
