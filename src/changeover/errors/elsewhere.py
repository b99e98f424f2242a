"""Failures of what we do with databases that somebody else runs: reaching them, checking, copying, comparing."""

from __future__ import annotations

from changeover.errors.base import ChangeoverError


class BadAddress(ChangeoverError):
    """What was given as a database can't be read as one. The text is never repeated: it may hold a password."""

    id, status = "bad_address", 422


class AddressNotAllowed(ChangeoverError):
    """The address leads to a place that accounts may not name; CHANGEOVER_FOREIGN_ADDRESSES says which they may."""

    id, status = "address_not_allowed", 422


class LoginRefused(ChangeoverError):
    """The server answers, and lets nobody in with this user, password or database."""

    id, status = "login_refused", 422


class NotTrusted(ChangeoverError):
    """TLS could not be agreed on as asked: no TLS there, or a certificate that can't be verified."""

    id, status = "not_trusted", 422


class PooledAddress(ChangeoverError):
    """The address is a pooler's, which hands one server session to several clients; the server's own is needed."""

    id, status = "pooled_address", 422


class ConnectionLost(ChangeoverError):
    """A connection to a database elsewhere ended in the middle of its work; the work can be tried again."""

    id, status, retryable = "connection_lost", 503, True


class CheckFailed(ChangeoverError):
    """A preflight check says that the move would fail or lose something; nothing was changed."""

    id, status = "check_failed", 422


class CannotExclude(ChangeoverError):
    """A pattern matches nothing, or what stays needs what it excludes. Nothing was changed."""

    id, status = "cannot_exclude", 422


class SnapshotGone(ChangeoverError):
    """The source has been written to, or started anew, since the copy began: what was copied can't be completed."""

    id, status, retryable = "snapshot_gone", 409, True


class TransferFailed(ChangeoverError):
    """A schema, a table or an index could not be brought over; says which one and what the server answered."""

    id, status = "transfer_failed", 500


class Differs(ChangeoverError):
    """Source and target don't hold the same; says where they differ first."""

    id, status = "differs", 409


class HoldFailed(ChangeoverError):
    """The writers of a source could not be held back as asked; nothing was changed."""

    id, status = "hold_failed", 422


class HookFailed(ChangeoverError):
    """A command of the person's own (--on-hold, --on-switch, --on-release) ended with a failure."""

    id, status = "hook_failed", 502


class AlreadyAdopted(ChangeoverError):
    """The database is an add-on here already, by this address or another."""

    id, status = "already_adopted", 422


class NotOurs(ChangeoverError):
    """Only the one who runs a server can do that with it; this one is somebody else's.

    `moving` is the add-on whose move to a server of ours would help.
    """

    id, status = "not_ours", 422

    def __init__(self, what: str, *, moving: str | None = None, fix: str = "") -> None:
        super().__init__(
            what,
            why="Its server is run by somebody else: it was adopted by its address.",
            fix=f"Move it to a server of ours: `changeover migrate {moving} TARGET`." if moving else fix,
        )
