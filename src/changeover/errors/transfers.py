"""Failures of backups, restores and copies: the bucket, the archive, the programs that write and read it."""

from __future__ import annotations

from changeover.errors.base import ChangeoverError


class BucketRefused(ChangeoverError):
    """The bucket answers, and does not let us: wrong keys, or keys without the right."""

    id, status = "bucket_refused", 502


class BucketMissing(ChangeoverError):
    """There is no such bucket or folder."""

    id, status = "bucket_missing", 502


class BucketUnreachable(ChangeoverError):
    """The bucket does not answer, answers too slowly, or broke the connection off."""

    id, status, retryable = "bucket_unreachable", 503, True


class BackupGone(ChangeoverError):
    """What should be restored or downloaded isn't there any more."""

    id, status = "backup_gone", 404


class BackupFailed(ChangeoverError):
    """pg_dump could not read the database to its end; nothing of the attempt is left."""

    id, status = "backup_failed", 500


class BadBackup(ChangeoverError):
    """This is no archive that can be restored here. Nothing was changed."""

    id, status = "bad_backup", 422


class RestoreFailed(ChangeoverError):
    """The restore ended before it was complete; says what the database holds now."""

    id, status = "restore_failed", 500
