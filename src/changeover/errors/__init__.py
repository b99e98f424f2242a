"""Every failure that a user can meet, one class each.

    ChangeoverError
    ├── misuse        Misused, BadRequest, BadSetting, InvalidParams, ConfirmationRequired, ConfirmationWrong
    ├── access        Unauthorized, Forbidden
    ├── names         NotFound, NameTaken, MultipleMatches
    ├── databases     NotFollowable, NotAFollower, ForeignLeader, NotAvailable, ServerInHand, HasFollowers, AttachedElsewhere,
    │                 AlreadyPromoted, UnfollowRefused, PoolingUnavailable, HostFull
    ├── servers       ServerFailed, ServerUnreachable, PortTaken, DiskFull, CopyFailed, LeaderGone, WalGone,
    │                 NoInstallation, InstallationGone
    ├── changeovers   FenceFailed, NotQuiet, PastReturn, WrongTarget, CanaryFailed
    ├── apps          BadArchive, ArchiveTooLarge, BadProcfile, RuntimeFailed, ReleaseFailed, BootFailed, RouterFailed,
    │                 PageNotFetched
    ├── runs          RunConflict, RunCancelled, StepDeadline, InternalError
    └── ourselves     StateUnavailable, AlreadyRunning, NotRunning, HomeMoved, HomeGone, NoAnswer, ToolMissing, DemoFailed;
                      Reported: any of these, met by another process

`id` never changes: scripts compare it. `retryable` tells the run loop whether trying again can help. The same object
becomes JSON in the API, two lines and a hint in the CLI, and a journal entry of a run. A bug is none of these.
"""

from __future__ import annotations

from changeover.errors.base import ChangeoverError as ChangeoverError
from changeover.errors.base import Reported as Reported

# -- misuse


class Misused(ChangeoverError):
    """A command line that cannot be understood; nothing was asked of anybody."""

    id, status = "misused", 400


class BadRequest(ChangeoverError):
    id, status = "bad_request", 400


class BadSetting(ChangeoverError):
    id, status = "bad_setting", 400

    def __init__(self, name: str, value: str, *, wants: str) -> None:
        super().__init__(
            f"The setting {name} is not usable: {value!r}.", why=f"It wants {wants}.", fix=f"Correct {name}."
        )


class InvalidParams(ChangeoverError):
    id, status = "invalid_params", 422


class ConfirmationRequired(ChangeoverError):
    """Asks the caller to name the app; both CLIs show `what` as a warning and repeat the request with `confirm`."""

    id, status = "confirmation_required", 423


class ConfirmationWrong(ChangeoverError):
    id, status = "confirmation_wrong", 422

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__(
            f"Confirmation {given} did not match {wanted}. Aborted.",
            why="Nothing was changed.",
            fix=f"Repeat the command with --confirm {wanted}.",
        )


# -- access


class Unauthorized(ChangeoverError):
    id, status = "unauthorized", 401

    def __init__(
        self,
        why: str = "The request carries no token, or one that does not exist or was revoked.",
        *,
        fix: str = "Use a token of your account; the operator creates one: `changeover authorizations:create --user EMAIL`. "
        "The operator's own is printed by `changeover env`, on the host of the control plane.",
    ) -> None:
        super().__init__("Invalid credentials provided.", why=why, fix=fix)


class Forbidden(ChangeoverError):
    id, status = "forbidden", 403


# -- names


class NotFound(ChangeoverError):
    """`what` reads as Heroku words it ("Couldn't find that app."), because scripts and CLIs compare it."""

    id, status = "not_found", 404


class NameTaken(ChangeoverError):
    id, status = "name_taken", 422

    def __init__(self, kind: str, name: str, fix: str = "Choose another name.") -> None:
        super().__init__(f"Name {name} is already taken.", why=f"Another {kind} has this name.", fix=fix, resource=kind)


class MultipleMatches(ChangeoverError):
    id, status = "multiple_matches", 422


# -- databases


class NotFollowable(ChangeoverError):
    id, status = "not_followable", 422


class ForeignLeader(ChangeoverError):
    id, status = "foreign_leader", 422


class NotAFollower(ChangeoverError):
    id, status = "not_a_follower", 422


class NotAvailable(ChangeoverError):
    id, status = "not_available", 409


class ServerInHand(ChangeoverError):
    """Another run, or the keeper, starts or changes the server just now."""

    id, status, retryable = "server_in_hand", 409, True


class HasFollowers(ChangeoverError):
    id, status = "has_followers", 422


class AttachedElsewhere(ChangeoverError):
    id, status = "attached_elsewhere", 422


class AlreadyPromoted(ChangeoverError):
    id, status = "already_promoted", 422


class UnfollowRefused(ChangeoverError):
    id, status = "unfollow_refused", 422


class PoolingUnavailable(ChangeoverError):
    id, status = "pooling_unavailable", 422


class HostFull(ChangeoverError):
    id, status = "host_full", 503


# -- servers


class ServerFailed(ChangeoverError):
    """A PostgreSQL program ended with an error; `why` quotes the last lines of what it said."""

    id, status = "server_failed", 500


class ServerUnreachable(ChangeoverError):
    id, status, retryable = "server_unreachable", 503, True


class PortTaken(ChangeoverError):
    id, status = "port_taken", 409


class DiskFull(ChangeoverError):
    id, status = "disk_full", 507


class CopyFailed(ChangeoverError):
    id, status, retryable = "copy_failed", 500, True


class LeaderGone(ChangeoverError):
    id, status, retryable = "leader_gone", 503, True


class WalGone(ChangeoverError):
    """The leader no longer has the WAL that a follower needs: it can never catch up."""

    id, status = "wal_gone", 409


class NoInstallation(ChangeoverError):
    id, status = "no_installation", 503


class InstallationGone(ChangeoverError):
    """A data directory's PostgreSQL is no longer installed."""

    id, status = "installation_gone", 503


# -- changeovers


class FenceFailed(ChangeoverError):
    """Somebody may still write to the source."""

    id, status = "fence_failed", 503


class NotQuiet(ChangeoverError):
    """The pause could not begin: somebody is in the way. Nothing was changed; it is tried again."""

    id, status, retryable = "not_quiet", 409, True


class PastReturn(ChangeoverError):
    """The target is the leader already: going back is a changeover of its own."""

    id, status = "past_return", 409

    def __init__(self, number: int, *, source: str, target: str) -> None:
        super().__init__(
            f"Changeover {number} can't be called off any more.",
            why=f"It is past the point of no return: {target} has taken over from {source}.",
            fix=f"Let it finish (`changeover changeovers:info {number}`); to go back, move {target} to a new database.",
        )


class WrongTarget(ChangeoverError):
    """The target has another history than the source."""

    id, status = "wrong_target", 409


class CanaryFailed(ChangeoverError):
    """The first write on the new leader, or the login for it, did not work."""

    id, status = "canary_failed", 503


# -- apps


class BadArchive(ChangeoverError):
    """The archive of a deploy is damaged, or contains what an app may not bring."""

    id, status = "bad_archive", 422

    def __init__(
        self, why: str, *, fix: str = "Pack the folder again and send it once more: `changeover deploy DIR`."
    ) -> None:
        super().__init__("The archive can't be unpacked. Nothing was released.", why=why, fix=fix)


class ArchiveTooLarge(ChangeoverError):
    """The archive of a deploy exceeds a limit of this host."""

    id, status = "archive_too_large", 413

    def __init__(self, why: str, *, fix: str = "Leave files out with a .slugignore.") -> None:
        super().__init__("The archive is too large. Nothing was released.", why=why, fix=fix)


class BadProcfile(ChangeoverError):
    """`line` is the number of the line that is wrong; None: the whole file is."""

    id, status = "bad_procfile", 422

    def __init__(self, line: int | None, why: str) -> None:
        super().__init__(
            "This is not a Procfile." if line is None else f"Line {line} of the Procfile can't be read.",
            why=why,
            fix="Write one line for each process type, such as `web: python app.py`.",
        )


class RuntimeFailed(ChangeoverError):
    """What keeps apps running does not start or does not answer."""

    id, status, retryable = "runtime_failed", 503, True


class ReleaseFailed(ChangeoverError):
    """A release phase that ended unsuccessfully: the former release runs on."""

    id, status = "release_failed", 422


class BootFailed(ChangeoverError):
    """Web dynos that don't listen in time after a deploy, a config change or a restart: the former ones keep serving."""

    id, status = "boot_failed", 422


class RouterFailed(ChangeoverError):
    """The router does not start, does not answer, or refuses what it is told."""

    id, status, retryable = "router_failed", 503, True


class PageNotFetched(ChangeoverError):
    """`address` without what may be secret in it."""

    id, status = "page_not_fetched", 422

    def __init__(self, address: str, *, why: str) -> None:
        super().__init__(
            f"The page at {address} could not be fetched.",
            why=why,
            fix="Correct MAINTENANCE_PAGE_URL or ERROR_PAGE_URL; until then people see our own page.",
        )


# -- runs


class RunConflict(ChangeoverError):
    id, status = "run_conflict", 409


class RunCancelled(ChangeoverError):
    id, status = "run_cancelled", 409

    def __init__(self, subject: str) -> None:
        super().__init__(f"The work on {subject} was cancelled.", why="Somebody called it off while it was under way.")


class StepDeadline(ChangeoverError):
    id, status = "step_deadline", 504


class InternalError(ChangeoverError):
    """A bug of ours, shown to the user without its details; the log has the traceback."""

    id, status = "internal_error", 500

    def __init__(self, where: str) -> None:
        super().__init__(
            f"changeover itself failed in {where}.",
            why="This is a bug, not something that you did; the log (DATA/log) has the details.",
            fix="Try again; if it stays, report it with the log's last lines.",
        )


# -- ourselves


class StateUnavailable(ChangeoverError):
    id, status, retryable = "state_unavailable", 503, True


class AlreadyRunning(ChangeoverError):
    id, status = "already_running", 409


class HomeMoved(ChangeoverError):
    """The data directory lies elsewhere than it was made: its files name paths that are not its own any more."""

    id, status = "home_moved", 409


class HomeGone(ChangeoverError):
    """The data directory was deleted or moved while its control plane ran."""

    id, status = "home_gone", 503


class NotRunning(ChangeoverError):
    id, status = "not_running", 503


class NoAnswer(ChangeoverError):
    """The control plane took a request and said nothing: whether it had an effect is unknown."""

    id, status = "no_answer", 504


class ToolMissing(ChangeoverError):
    """A program that somebody else makes, and that a command needs on this machine."""

    id, status = "tool_missing", 503


class DemoFailed(ChangeoverError):
    """The demo could not be played to its end; `said` is what the failing part printed."""

    id, status = "demo_failed", 500

    def __init__(
        self, what: str, *, said: str, fix: str = "Everything that the demo made is taken down; it can be run again."
    ) -> None:
        super().__init__(what, why=said.strip(), fix=fix)
