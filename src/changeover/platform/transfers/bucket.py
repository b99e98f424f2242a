"""The storage for backups: an S3-compatible bucket or a folder, with streams. Only this file uses obstore.

Everything here blocks, so call it in a thread. obstore reads the AWS_* variables itself. Credentials never pass through us.
"""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore import exceptions
from obstore.store import LocalStore, S3Store

from changeover.errors import BadSetting, DiskFull
from changeover.errors.transfers import BackupGone, BucketMissing, BucketRefused, BucketUnreachable
from changeover.loopback import is_loopback

PART_BYTES, MOST_PARTS = 8 * 2**20, 9_000
READ_BYTES = 2**20
AT_ONCE = 2
SPARE_BYTES = 64 * 2**20
"""A folder on a disk shared with servers is not filled completely, because they would stop."""
CONNECT_S, SILENCE_S, RETRY_S = 5, 60, 90


class Bucket:
    """`s3://BUCKET/PREFIX`, or `file:///FOLDER`. `endpoint` is the S3 endpoint if it isn't Amazon's."""

    def __init__(self, url: str, *, endpoint: str | None = None) -> None:
        """Raises BadSetting for an invalid URL. Accesses nothing."""
        parts = urlsplit(url)
        self.url, self._endpoint = url.rstrip("/"), endpoint
        self.folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        self._name, self._prefix = parts.netloc, parts.path.strip("/")
        is_folder = self.folder is not None and not parts.netloc and self.folder.is_absolute()
        if not is_folder and not (parts.scheme == "s3" and parts.netloc):
            raise BadSetting("CHANGEOVER_BUCKET", url, wants="s3://BUCKET/PREFIX or file:///FOLDER")
        if parts.scheme == "s3" and (endpoint or "").startswith("http://") and not _is_on_this_host(endpoint):
            raise BadSetting("AWS_ENDPOINT_URL", endpoint or "", wants="https, because it is not on this host")

    def _store(self) -> S3Store | LocalStore:
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            return LocalStore(self.folder, automatic_cleanup=True)
        return S3Store(
            self._name,
            prefix=self._prefix or None,
            client_options={
                "allow_http": _is_on_this_host(self._endpoint),
                "connect_timeout": timedelta(seconds=CONNECT_S),
                "read_timeout": timedelta(seconds=SILENCE_S),
                "timeout": timedelta(hours=24),
            },
            retry_config={"max_retries": 6, "retry_timeout": timedelta(seconds=RETRY_S)},
        )

    def put(self, key: str, chunks: Iterator[bytes], *, about_bytes: int = 0) -> None:
        """Store all `chunks` as one object, or nothing: an exception of the iterator aborts the upload and is raised.

        `about_bytes`: its maximum size. Raises BucketRefused, BucketMissing, BucketUnreachable, DiskFull.
        """
        part_bytes = max(PART_BYTES, -(-about_bytes // MOST_PARTS))
        with self._in_words("written"):
            checked = chunks if self.folder is None else self._while_there_is_room(chunks)
            obstore.put(self._store(), key, checked, use_multipart=True, chunk_size=part_bytes, max_concurrency=AT_ONCE)

    def _while_there_is_room(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            free = shutil.disk_usage(self.folder or "/").free
            if free < SPARE_BYTES:
                raise self._no_room(f"{free} bytes are free there. At least {SPARE_BYTES} must stay free.")
            yield chunk

    def read(self, key: str) -> tuple[int, Iterator[bytes]]:
        """Its size and its bytes. Raises BackupGone, and what `put` raises. So does the iterator."""
        with self._in_words("read"):
            found = obstore.get(self._store(), key)
            return found.meta["size"], self._chunks(found.stream(min_chunk_size=READ_BYTES))

    def _chunks(self, stream: obstore.BytesStream) -> Iterator[bytes]:
        with self._in_words("read"):
            for chunk in stream:
                yield bytes(chunk)

    def size(self, key: str) -> int:
        with self._in_words("read"):
            return obstore.head(self._store(), key)["size"]

    def remove(self, key: str) -> None:
        """Does nothing if it is gone."""
        with self._in_words("removed"):
            try:
                obstore.delete(self._store(), key)
            except FileNotFoundError as gone:
                if "NoSuchBucket" in str(gone):
                    raise

    def signed_url(self, key: str, *, lasts_s: int) -> str | None:
        """A presigned URL for downloads without credentials. None if only we can serve it. Raises BackupGone."""
        self.size(key)
        store = self._store()
        if isinstance(store, LocalStore):
            return None
        with self._in_words("read"):
            return obstore.sign(store, "GET", key, timedelta(seconds=lasts_s))

    def sweep(self, is_being_written: Callable[[str], bool]) -> list[str]:
        """Remove incomplete uploads of killed processes and return their names. On S3, the bucket's own rules do that.

        Raises BucketRefused.
        """
        if self.folder is None or not self.folder.is_dir():
            return []
        with self._in_words("removed"):
            halves = [path for path in self.folder.rglob("*#*") if path.is_file()]
            dead = [one for one in halves if not is_being_written(str(one.relative_to(self.folder)).partition("#")[0])]
            for path in dead:
                path.unlink(missing_ok=True)
            return [path.name for path in dead]

    @contextmanager
    def _in_words(self, done: str) -> Iterator[None]:
        what = f"The backup could not be {done} in {self.url}."
        try:
            yield
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as refused:
            raise BucketRefused(
                what, why=said(refused), fix="Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and their permissions."
            ) from None
        except FileNotFoundError as missing:
            if "NoSuchBucket" in str(missing) or (self.folder is not None and not self.folder.is_dir()):
                raise BucketMissing(
                    what, why="It does not exist.", fix="Create it, or correct CHANGEOVER_BUCKET and restart."
                ) from None
            raise BackupGone(
                f"The backup is no longer in {self.url}.", why="It was removed, for example by a rule of the bucket.",
                fix="Choose another one: `changeover pg:backups`.",
            ) from None  # fmt: skip
        except (exceptions.BaseError, OSError) as failed:
            raise self._failure(what, failed) from None

    def _failure(self, what: str, failed: Exception) -> BucketRefused | BucketUnreachable | DiskFull:
        text = said(failed)
        if "No space left" in text or getattr(failed, "errno", None) == errno.ENOSPC:
            return self._no_room(text)
        if "Permission denied" in text:
            return BucketRefused(what, why=text, fix="Give the control plane's user write access.")
        return BucketUnreachable(
            what, why=text, fix="Check AWS_ENDPOINT_URL and the network. It is tried again automatically."
        )

    def _no_room(self, why: str) -> DiskFull:
        return DiskFull(
            f"The backup does not fit into {self.url}.", why=why,
            fix="Free some space, delete old backups (`changeover pg:backups:delete`), or choose another CHANGEOVER_BUCKET.",
        )  # fmt: skip


def said(failure: Exception) -> str:
    """The reason in an obstore error, in one line, without its debugging output, URLs and markup."""
    text = str(failure).partition("Debug source")[0]
    named = re.search(r"<Message>(.*?)</Message>", text, re.DOTALL)
    status = re.search(r"status code: (\d{3} [A-Za-z ]+)", text)
    if status:
        return f"It answered {status[1].strip()}{f': {named[1]}' if named else ''}"
    return " ".join(re.sub(r"https?://\S+", "it", text.partition(" - ")[2] or text).split())[:300]


def _is_on_this_host(endpoint: str | None) -> bool:
    """Plain http is allowed on loopback only, because a dump contains the whole database."""
    return is_loopback(urlsplit(endpoint or "").hostname or "")
