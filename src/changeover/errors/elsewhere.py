"""Failures of what we do with databases that somebody else runs: reaching them, checking, copying, comparing."""

from __future__ import annotations

from changeover.errors.base import ChangeoverError


class BadAddress(ChangeoverError):
    """What was given as a database can't be read as one. The text is never repeated: it may hold a password."""

    id, status = "bad_address", 422


class LoginRefused(ChangeoverError):
    """The server answers, and lets nobody in with this user, password or database."""

    id, status = "login_refused", 422


class NotTrusted(ChangeoverError):
    """TLS could not be agreed on as asked: no TLS there, or a certificate that can't be verified."""

    id, status = "not_trusted", 422


class ConnectionLost(ChangeoverError):
    """A connection to a database elsewhere ended in the middle of its work; the work can be tried again."""

    id, status, retryable = "connection_lost", 503, True


class CheckFailed(ChangeoverError):
    """A preflight check says that the move would fail or lose something; nothing was changed."""

    id, status = "check_failed", 422


class SnapshotGone(ChangeoverError):
    """The source has been written to, or started anew, since the copy began: what was copied can't be completed."""

    id, status, retryable = "snapshot_gone", 409, True


class TransferFailed(ChangeoverError):
    """A schema, a table or an index could not be brought over; says which one and what the server answered."""

    id, status = "transfer_failed", 500


class Differs(ChangeoverError):
    """Source and target don't hold the same; says where they differ first."""

    id, status = "differs", 409
