"""Failures with databases on servers run by others: connecting, checking, copying, comparing."""

from __future__ import annotations

from changeover.errors.base import ChangeoverError


class BadAddress(ChangeoverError):
    """Invalid database address. Messages never repeat the text, because it may contain a password."""

    id, status = "bad_address", 422


class AddressNotAllowed(ChangeoverError):
    """The address is not allowed for accounts. CHANGEOVER_FOREIGN_ADDRESSES says which addresses are."""

    id, status = "address_not_allowed", 422


class LoginRefused(ChangeoverError):
    """The server answers, but rejects this user, password or database."""

    id, status = "login_refused", 422


class NotTrusted(ChangeoverError):
    """TLS failed: the server does not offer it, or its certificate can't be verified."""

    id, status = "not_trusted", 422


class PooledAddress(ChangeoverError):
    """The address belongs to a pooler, which shares server sessions among clients. The server's own address is needed."""

    id, status = "pooled_address", 422


class ConnectionLost(ChangeoverError):
    """A connection to a database elsewhere was lost during the work. The work can be tried again."""

    id, status, retryable = "connection_lost", 503, True


class CheckFailed(ChangeoverError):
    """A preflight check found that the move would fail or lose something. Nothing was changed."""

    id, status = "check_failed", 422


class CannotExclude(ChangeoverError):
    """A pattern matches nothing, or an object that stays depends on an excluded one. Nothing was changed."""

    id, status = "cannot_exclude", 422


class SnapshotGone(ChangeoverError):
    """The source was written to or restarted since the copy began. The copy can't be completed."""

    id, status, retryable = "snapshot_gone", 409, True


class TransferFailed(ChangeoverError):
    """A schema, table or index could not be transferred. Says which one and quotes the server."""

    id, status = "transfer_failed", 500


class Differs(ChangeoverError):
    """Source and target differ. Says where the first difference is."""

    id, status = "differs", 409


class HoldFailed(ChangeoverError):
    """The source's writers could not be held as requested. Nothing was changed."""

    id, status = "hold_failed", 422


class HookFailed(ChangeoverError):
    """A command given by the user (--on-hold, --on-switch, --on-release) failed."""

    id, status = "hook_failed", 502


class AlreadyAdopted(ChangeoverError):
    """The database is already an add-on here, by this or another address."""

    id, status = "already_adopted", 422


class NotOurs(ChangeoverError):
    """Only the server's own operator can do this, and changeover does not run the server.

    `moving` is the add-on to move to a managed server, where the command would work.
    """

    id, status = "not_ours", 422

    def __init__(self, what: str, *, moving: str | None = None, fix: str = "") -> None:
        super().__init__(
            what,
            why="The server is not managed by changeover: the database was adopted by its address.",
            fix=f"Move it to a managed server: `changeover migrate {moving} TARGET`." if moving else fix,
        )
