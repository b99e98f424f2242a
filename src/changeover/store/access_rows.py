"""Rows about access: an account's place in an app and in its team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from changeover.store.rows import Account


@dataclass(frozen=True)
class Standing:
    """An account's relation to an app. `role` is its role in the app's team, or None."""

    is_owner: bool
    is_of_team: bool
    is_locked: bool
    role: str | None
    is_collaborator: bool
    permissions: list[str]


@dataclass(frozen=True)
class ExpiredToken:
    email: str
    expires_at: datetime


@dataclass(frozen=True)
class Bearer:
    """The account of a token, and the token's permissions."""

    id: UUID
    email: str
    is_operator: bool
    created_at: datetime
    updated_at: datetime
    authorization_id: UUID
    scopes: list[str]
    expires_at: datetime | None

    @property
    def account(self) -> Account:
        return Account(self.id, self.email, self.is_operator, self.created_at, self.updated_at)


@dataclass(frozen=True)
class AuditRow:
    """What an account did or tried to do. `times` counts equal events within a minute."""

    id: int
    at: datetime
    email: str | None
    authorization_id: UUID | None
    action: str
    path: str
    app_id: UUID | None
    app: str | None
    address: str | None
    request_id: str | None
    resource: str | None
    outcome: str
    error: str | None
    times: int
