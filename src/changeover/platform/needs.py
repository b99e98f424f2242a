"""What requests need, what tokens grant, and what accounts may do with an app: values and decisions, no queries."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from changeover.errors import Forbidden
from changeover.store.access_rows import Standing

PERMISSIONS = ("view", "deploy", "operate", "manage")
"""Heroku's permissions on an app. Each may be granted separately. All of them include view."""
OWN = "own"
"""What only an owner or an admin of the app's team has. It can't be granted."""
EVERYTHING = frozenset({*PERMISSIONS, OWN})


class AppNeed(StrEnum):
    """What a request needs on an app. The value is its name in the tables."""

    VIEW = "view"
    DEPLOY = "deploy"
    CONFIG = "deploy or operate"
    """For reading secrets, or running code that can: config vars, credentials, one-off dynos, backup downloads."""
    OPERATE = "operate"
    MANAGE = "manage"
    OWN = "own"

    @property
    def any_of(self) -> frozenset[str]:
        """Permissions of which one is sufficient."""
        return frozenset({"deploy", "operate"} if self is AppNeed.CONFIG else {self.value})


class TeamNeed(StrEnum):
    """What a request needs in a team."""

    ANY = "any role"
    VIEWER = "viewer"
    MEMBER = "member"
    ADMIN = "admin"

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that are sufficient."""
        order = ("collaborator", "viewer", "member", "admin")
        return order if self is TeamNeed.ANY else order[order.index(self.value) :]


class TokenNeed(StrEnum):
    """What a request needs of its token."""

    IDENTITY = "identity"
    READ = "read"
    READ_PROTECTED = "read-protected"
    WRITE = "write"
    WRITE_PROTECTED = "write-protected"
    GLOBAL = "global"


_READS = frozenset({TokenNeed.IDENTITY, TokenNeed.READ})
_WRITES = _READS | {TokenNeed.WRITE}
_SECRETS = _READS | {TokenNeed.READ_PROTECTED}
GRANTS = {
    "identity": frozenset({TokenNeed.IDENTITY}),
    "read": _READS,
    "read-protected": _SECRETS,
    "write": _WRITES,
    "write-protected": _WRITES | _SECRETS | {TokenNeed.WRITE_PROTECTED},
    "global": frozenset(TokenNeed),
}
"""What each token scope permits. Writing includes reading. The protected ones include secrets."""


@dataclass(frozen=True)
class Needs:
    """What a request needs. None: it affects no app, or no team."""

    token: TokenNeed = TokenNeed.GLOBAL
    app: AppNeed | None = None
    team: TeamNeed | None = None
    note: str = ""
    """What differs for some requests of the route. Its handler enforces that."""


WORKER_NEEDS = Needs(app=AppNeed.VIEW, team=TeamNeed.ANY)
"""The needs of a run's steps: its request was checked when it began, and its author must still have access to the app."""


def token_grants(scopes: list[str]) -> frozenset[TokenNeed]:
    """What a token with these scopes may do."""
    return frozenset().union(*(GRANTS.get(scope, frozenset()) for scope in scopes))


def require_token(grants: frozenset[TokenNeed], needs: Needs, scopes: list[str]) -> None:
    """Raises Forbidden unless a token with these grants may do what the request needs."""
    if needs.token not in grants:
        raise Forbidden(
            "The token's scope does not allow this.",
            why=f"It needs the scope {needs.token.value} (or one that includes it). The token has {', '.join(scopes)}.",
            fix="If your account may do this, use another token. Create one with a token of scope global: "
            f"`changeover authorizations:create --scope {needs.token.value}`.",
        )


def held_by(standing: Standing) -> frozenset[str]:
    """The permissions of an account on an app, from its place in the app and in the app's team.

    A team's app belongs to the team: its creator keeps `own` only while a member of the team. A personal app has no
    permissions in Heroku's sense, so a collaborator without a list has all of them.
    """
    granted = frozenset({"view", *standing.permissions}) if standing.is_collaborator else frozenset()
    if not standing.is_of_team:
        if standing.is_owner:
            return EVERYTHING
        return frozenset(PERMISSIONS) if standing.is_collaborator and not standing.permissions else granted
    if standing.role == "admin" or (standing.role == "member" and standing.is_owner):
        return EVERYTHING
    if standing.role == "viewer":
        granted &= {"view"}
    if standing.role in ("viewer", "member") and not standing.is_locked:
        granted |= {"view"}
    return granted
