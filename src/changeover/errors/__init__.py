"""Every failure that a user can meet, one class for each.

    ChangeoverError
    ├── misuse        Misused, BadRequest, BadSetting, InvalidParams, ConfirmationRequired, ConfirmationWrong
    ├── access        Unauthorized, Forbidden
    ├── names         NotFound, NameTaken, MultipleMatches
    ├── databases     NotFollowable, NotAFollower, ForeignLeader, NotAvailable, ServerBusy, HasFollowers, AttachedElsewhere,
    │                 AlreadyPromoted, UnfollowRefused, PoolingUnavailable, HostFull
    ├── servers       ServerFailed, ServerUnreachable, PortTaken, DiskFull, CopyFailed, LeaderGone, WalGone,
    │                 NoInstallation, InstallationGone
    ├── changeovers   FenceFailed, NotQuiet, PastReturn, WrongTarget, CanaryFailed
    ├── apps          BadArchive, ArchiveTooLarge, BadProcfile, RuntimeFailed, ReleaseFailed, BootFailed, RouterFailed,
    │                 PageNotFetched
    ├── runs          RunConflict, RunCancelled, StepDeadline, InternalError
    └── changeover    StateUnavailable, AlreadyRunning, NotRunning, HomeMoved, HomeGone, NoAnswer, ToolMissing, DemoFailed;
                      Reported: any of these, as described by another process

`id` never changes, because scripts compare it. `retryable` tells the run loop whether to try again. The same object
becomes JSON in the API, two lines and a hint in the CLI, and a journal entry of a run. Bugs are not listed here.
"""

from __future__ import annotations

from changeover.errors.base import ChangeoverError as ChangeoverError
from changeover.errors.base import Reported as Reported

# -- misuse


class Misused(ChangeoverError):
    """A command line that cannot be parsed. No request was sent."""

    id, status = "misused", 400


class BadRequest(ChangeoverError):
    id, status = "bad_request", 400


class BadSetting(ChangeoverError):
    id, status = "bad_setting", 400

    def __init__(self, name: str, value: str, *, wants: str) -> None:
        super().__init__(f"Invalid value for {name}: {value!r}.", why=f"Expected {wants}.", fix=f"Correct {name}.")


class InvalidParams(ChangeoverError):
    id, status = "invalid_params", 422


class ConfirmationRequired(ChangeoverError):
    """Asks for the app's name. Both CLIs show `what` as a warning and repeat the request with `confirm`."""

    id, status = "confirmation_required", 423


class ConfirmationWrong(ChangeoverError):
    id, status = "confirmation_wrong", 422

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__(
            f"Confirmation {given} did not match {wanted}. Aborted.",
            why="Nothing was changed.",
            fix=f"Run the command again with --confirm {wanted}.",
        )


# -- access


class Unauthorized(ChangeoverError):
    id, status = "unauthorized", 401

    def __init__(
        self,
        why: str = "The request has no token, or its token is unknown or revoked.",
        *,
        fix: str = "Use a token of your account. The operator creates one with `changeover authorizations:create --user "
        "EMAIL`. To print the operator's own token, run `changeover env` on the control plane's host.",
    ) -> None:
        super().__init__("Invalid credentials provided.", why=why, fix=fix)


class Forbidden(ChangeoverError):
    id, status = "forbidden", 403


# -- names


class NotFound(ChangeoverError):
    """`what` uses Heroku's wording ("Couldn't find that app."), because scripts and CLIs compare it."""

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


class ServerBusy(ChangeoverError):
    """Another run or the keeper is starting or changing the server."""

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
    """A PostgreSQL program failed. `why` quotes the last lines of its output."""

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
    """The leader has removed WAL that a follower needs. The follower can never catch up."""

    id, status = "wal_gone", 409


class NoInstallation(ChangeoverError):
    id, status = "no_installation", 503


class InstallationGone(ChangeoverError):
    """The PostgreSQL installation that a data directory needs was removed."""

    id, status = "installation_gone", 503


# -- changeovers


class FenceFailed(ChangeoverError):
    """A client may still be able to write to the source."""

    id, status = "fence_failed", 503


class NotQuiet(ChangeoverError):
    """The pause could not begin because sessions or transactions block it. Nothing was changed; the run tries again."""

    id, status, retryable = "not_quiet", 409, True


class PastReturn(ChangeoverError):
    """The target is already the leader. Going back requires another changeover."""

    id, status = "past_return", 409

    def __init__(self, number: int, *, source: str, target: str) -> None:
        super().__init__(
            f"Changeover {number} can no longer be cancelled.",
            why=f"It is past the point of no return: {target} has taken over from {source}.",
            fix=f"Let it finish (`changeover changeovers:info {number}`). To go back, move {target} to a new database.",
        )


class WrongTarget(ChangeoverError):
    """The target's history differs from the source's."""

    id, status = "wrong_target", 409


class CanaryFailed(ChangeoverError):
    """The login to the new leader or the first write on it failed."""

    id, status = "canary_failed", 503


# -- apps


class BadArchive(ChangeoverError):
    """The archive of a deploy is damaged or contains entries that are not allowed."""

    id, status = "bad_archive", 422

    def __init__(
        self, why: str, *, fix: str = "Pack the folder again and send it again: `changeover deploy DIR`."
    ) -> None:
        super().__init__("The archive can't be unpacked. Nothing was released.", why=why, fix=fix)


class ArchiveTooLarge(ChangeoverError):
    """The archive of a deploy exceeds a limit of this host."""

    id, status = "archive_too_large", 413

    def __init__(self, why: str, *, fix: str = "Leave files out with a .slugignore.") -> None:
        super().__init__("The archive is too large. Nothing was released.", why=why, fix=fix)


class BadProcfile(ChangeoverError):
    """`line` is the number of the invalid line, or None when the whole file is invalid."""

    id, status = "bad_procfile", 422

    def __init__(self, line: int | None, why: str) -> None:
        super().__init__(
            "Invalid Procfile." if line is None else f"Line {line} of the Procfile can't be read.",
            why=why,
            fix="Write one line for each process type, such as `web: python app.py`.",
        )


class RuntimeFailed(ChangeoverError):
    """The process supervisor of the apps does not start or does not answer."""

    id, status, retryable = "runtime_failed", 503, True


class ReleaseFailed(ChangeoverError):
    """A release phase failed. The previous release keeps running."""

    id, status = "release_failed", 422


class BootFailed(ChangeoverError):
    """Web dynos did not listen in time after a deploy, a config change or a restart. The previous ones keep serving."""

    id, status = "boot_failed", 422


class RouterFailed(ChangeoverError):
    """The router does not start, does not answer, or rejects its configuration."""

    id, status, retryable = "router_failed", 503, True


class PageNotFetched(ChangeoverError):
    """`address` must not contain secrets."""

    id, status = "page_not_fetched", 422

    def __init__(self, address: str, *, why: str) -> None:
        super().__init__(
            f"The page at {address} could not be fetched.",
            why=why,
            fix="Correct MAINTENANCE_PAGE_URL or ERROR_PAGE_URL. Until then, visitors see the default page.",
        )


# -- runs


class RunConflict(ChangeoverError):
    id, status = "run_conflict", 409


class RunCancelled(ChangeoverError):
    id, status = "run_cancelled", 409

    def __init__(self, subject: str) -> None:
        super().__init__(f"The work on {subject} was cancelled.", why="It was cancelled while it was in progress.")


class StepDeadline(ChangeoverError):
    id, status = "step_deadline", 504


class InternalError(ChangeoverError):
    """A bug in changeover, shown to the user without details. The log has the traceback."""

    id, status = "internal_error", 500

    def __init__(self, where: str) -> None:
        super().__init__(
            f"changeover itself failed in {where}.",
            why="This is a bug in changeover. The log (DATA/log) has the details.",
            fix="Try again. If the error persists, report it with the last lines of the log.",
        )


# -- changeover itself


class StateUnavailable(ChangeoverError):
    id, status, retryable = "state_unavailable", 503, True


class AlreadyRunning(ChangeoverError):
    id, status = "already_running", 409


class HomeMoved(ChangeoverError):
    """The data directory is not at the path where it was created, so paths in its files are wrong."""

    id, status = "home_moved", 409


class HomeGone(ChangeoverError):
    """The data directory was deleted or moved while its control plane ran."""

    id, status = "home_gone", 503


class NotRunning(ChangeoverError):
    id, status = "not_running", 503


class NoAnswer(ChangeoverError):
    """The control plane accepted a request but sent no answer. Whether the request had an effect is unknown."""

    id, status = "no_answer", 504


class ToolMissing(ChangeoverError):
    """A command needs a third-party program that is not installed on this machine."""

    id, status = "tool_missing", 503


class DemoFailed(ChangeoverError):
    """The demo could not be completed. `said` is the output of the part that failed."""

    id, status = "demo_failed", 500

    def __init__(
        self, what: str, *, said: str, fix: str = "Everything the demo created was removed. You can run it again."
    ) -> None:
        super().__init__(what, why=said.strip(), fix=fix)
