"""Failures of backups, restores and copies: the bucket, the archive, and the programs that write and read it."""

from __future__ import annotations

from changeover.errors.base import ChangeoverError


class BucketRefused(ChangeoverError):
    """The bucket rejects the credentials, or they lack a permission."""

    id, status = "bucket_refused", 502


class BucketMissing(ChangeoverError):
    """The bucket or folder does not exist."""

    id, status = "bucket_missing", 502


class BucketUnreachable(ChangeoverError):
    """The bucket does not answer, is too slow, or closed the connection."""

    id, status, retryable = "bucket_unreachable", 503, True


class BackupGone(ChangeoverError):
    """The backup to restore or download no longer exists."""

    id, status = "backup_gone", 404


class BackupFailed(ChangeoverError):
    """pg_dump failed. Nothing of the attempt is left."""

    id, status = "backup_failed", 500


class BadBackup(ChangeoverError):
    """The file is not an archive that can be restored here. Nothing was changed."""

    id, status = "bad_backup", 422


class RestoreFailed(ChangeoverError):
    """The restore failed before it was complete. Says what the database contains now."""

    id, status = "restore_failed", 500
