"""Requests that are refused for their size, their speed, or their number.

ChangeoverError
├── BodyTooLarge, BodyTooSlow
├── MethodNotAllowed
└── TooManyRequests, TooManyQuestions
"""

from __future__ import annotations

from changeover.errors.base import ChangeoverError


class BodyTooLarge(ChangeoverError):
    id, status = "body_too_large", 413

    def __init__(self, most: int) -> None:
        super().__init__("The request body is too large.", why=f"This route takes at most {most:,} bytes.")


class BodyTooSlow(ChangeoverError):
    id, status = "body_too_slow", 408

    def __init__(self, received: int) -> None:
        super().__init__(
            "The request body did not arrive in time.",
            why=f"{received:,} bytes had arrived when the time was up.",
            fix="Check the network, then send the request again.",
        )


class MethodNotAllowed(ChangeoverError):
    id, status = "method_not_allowed", 405


class TooManyRequests(ChangeoverError):
    """Each account has a share of what the control plane works on at the same time."""

    id, status, retryable = "too_many_requests", 429, True

    def __init__(self, most: int) -> None:
        super().__init__(
            "Your account has too many requests under way.",
            why=f"At most {most} of an account are worked on at the same time, and this one waited in vain for its turn.",
            fix="Wait for those to end, then try again.",
        )


class TooManyQuestions(ChangeoverError):
    """Each account may wait for so many database servers at the same time."""

    id, status, retryable = "too_many_questions", 429, True

    def __init__(self, most: int) -> None:
        super().__init__(
            "Your account is already waiting for too many database servers.",
            why=f"At most {most} of its requests may wait for servers at the same time, and none was answered.",
            fix="Find the databases that do not answer (`changeover pg:info`), then try again.",
        )
