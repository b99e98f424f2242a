"""The base of all errors: what happened, why, and what to do next. The errors themselves are in the files beside it."""

from __future__ import annotations

from typing import Any, ClassVar


class ChangeoverError(Exception):
    """What happened, why, and what to do next. Never carries a secret."""

    id: str = "changeover_error"
    status: int = 500
    retryable: bool = False
    statuses: ClassVar[dict[str, int]] = {}
    """The HTTP status of each id, for a failure that arrives as its id alone (`Reported`)."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        ChangeoverError.statuses[cls.id] = cls.status

    def __init__(self, what: str, *, why: str = "", fix: str = "", resource: str | None = None) -> None:
        super().__init__(what)
        self.what, self.why, self.fix, self.resource = what, why, fix, resource

    @property
    def message(self) -> str:
        """All three parts as one text, as the official CLI prints it."""
        return "\n".join(part for part in (self.what, self.why, self.fix) if part)

    def as_dict(self) -> dict[str, Any]:
        """The API's error body; `id` and `message` are what the official CLI reads."""
        body: dict[str, Any] = {
            "id": self.id,
            "message": self.message,
            "what": self.what,
            "why": self.why,
            "fix": self.fix,
            "retryable": self.retryable,
        }
        if self.resource:
            body["resource"] = self.resource
        return body


class Reported(ChangeoverError):
    """A failure that another process described with `as_dict`. Keeps the original id."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(
            str(body.get("what") or body.get("message") or "The request failed."),
            why=str(body.get("why") or ""),
            fix=str(body.get("fix") or ""),
            resource=body.get("resource"),
        )
        self.id = str(body.get("id") or self.id)
        self.status = int(body.get("status") or self.statuses.get(self.id, self.status))
