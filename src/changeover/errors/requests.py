"""Requests refused for their size, their speed, or their number.

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
            why=f"{received:,} bytes had arrived when the time limit was reached.",
            fix="Check the network, then send the request again.",
        )


class MethodNotAllowed(ChangeoverError):
    id, status = "method_not_allowed", 405


class TooManyRequests(ChangeoverError):
    """The account already has as many requests in progress as one account may have."""

    id, status, retryable = "too_many_requests", 429, True

    def __init__(self, most: int) -> None:
        super().__init__(
            "Your account has too many requests in progress.",
            why=f"An account may have {most} requests in progress, and this one did not get its turn.",
            fix="Wait until some of them finish, then try again.",
        )


class TooManyQuestions(ChangeoverError):
    """The account is already waiting for as many database servers as one account may wait for."""

    id, status, retryable = "too_many_questions", 429, True

    def __init__(self, most: int) -> None:
        super().__init__(
            "Your account is already waiting for too many database servers.",
            why=f"At most {most} of its requests may wait for servers at the same time, and no server answered.",
            fix="Find the databases that do not answer with `changeover pg:info`, then try again.",
        )
