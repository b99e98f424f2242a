"""Accounts and their tokens. One account owns the installation: the operator. Its token is in HOME/operator-token."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from changeover.errors import Forbidden, InvalidParams, NotFound, Unauthorized
from changeover.platform.needs import GRANTS
from changeover.platform.scope import Scope
from changeover.platform.secrets import new_token, token_hash, token_hint, write_secret_file
from changeover.store import query
from changeover.store.access_rows import Bearer, ExpiredToken
from changeover.store.query import Db
from changeover.store.rows import Account, Authorization

LONGEST_LIFETIME_S = 10 * 365 * 86_400
OPERATOR_TOKEN_FILE = "operator-token"  # noqa: S105 - a file's name


async def bearer_of_token(db: Db, token: str) -> Bearer:
    """The account and permissions of a token. Raises Unauthorized if it is unknown, revoked or expired."""
    bearer = await query.one(db, Bearer, "rights.bearer", token_hash=token_hash(token))
    if bearer is None:
        raise await _unauthorized(db, token)
    return bearer


async def _unauthorized(db: Db, token: str) -> Unauthorized:
    expired = await query.one(db, ExpiredToken, "rights.expired", token_hash=token_hash(token))
    if expired is None:
        return Unauthorized()
    who = expired.email
    return Unauthorized(
        f"The token expired at {expired.expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC.",
        fix="Create another one with a token that is still valid (`changeover authorizations:create`), "
        f"or ask the operator to run `changeover authorizations:create --user {who}`.",
    )


async def ensure_operator(db: Db, *, email: str, home: Path) -> Account:
    """The operator's account, with its token in HOME/operator-token. Repeatable. The file takes precedence over the state."""
    account = await query.one(db, Account, "accounts.operator")
    if account is None:
        account = await query.only(db, Account, "accounts.add", email=email, is_operator=True)
    file = home / OPERATOR_TOKEN_FILE
    if not file.exists():
        write_secret_file(file, new_token() + "\n")
    token = file.read_text().strip()
    known = await query.one(db, Authorization, "accounts.operator_authorization")
    if known is None:
        await _authorize(db, account, token, description="Operator", is_operator=True)
    elif known.token_hash != token_hash(token):
        await query.only(
            db, Authorization, "accounts.renew_token",
            id=known.id, token_hash=token_hash(token), token_hint=token_hint(token),
        )  # fmt: skip
    return account


async def ensure_account(db: Db, email: str) -> Account:
    """The account with that address, created if missing, because the operator can invite anyone by address."""
    found = await query.one(db, Account, "accounts.find", key=email)
    if found is not None:
        return found
    if "@" not in email.strip("@") or any(c.isspace() for c in email) or len(email) > 254:
        raise InvalidParams(f"Invalid e-mail address: {email[:100]!r}.")
    return await query.only(db, Account, "accounts.add", email=email, is_operator=False)


async def find_account(db: Db, email_or_id: str) -> Account:
    """Raises NotFound."""
    found = await query.one(db, Account, "accounts.find", key=email_or_id)
    if found is None:
        raise NotFound("Couldn't find that user.", resource="account")
    return found


async def list_authorizations(scope: Scope) -> list[Authorization]:
    return list(await query.rows(scope.db, Authorization, "accounts.authorizations", account_id=scope.caller.id))


async def find_authorization(scope: Scope, id_: str, token: str) -> Authorization:
    """By id, or `~` for the request's own token. Raises NotFound."""
    if id_ == "~":
        found = await query.one(scope.db, Authorization, "accounts.by_authorization", token_hash=token_hash(token))
    else:
        found = await query.one(
            scope.db, Authorization, "accounts.authorization",
            id=id_, account_id=scope.caller.id, is_operator=scope.caller.is_operator,
        )  # fmt: skip
    if found is None:
        raise NotFound("Couldn't find that authorization.", resource="authorization")
    return found


async def authorize(
    scope: Scope, *, description: str, lifetime_s: int | None, scopes: list[str], user: str | None = None
) -> tuple[Authorization, str]:
    """Create another token, which is shown only in this response. Only the operator may create one for another account.

    It never outlives the token that creates it. Raises InvalidParams, Forbidden.
    """
    scope.resource = f"{user or scope.caller.email}: {', '.join(scopes)}"
    unknown = sorted(set(scopes) - set(GRANTS))
    if unknown:
        raise InvalidParams(f"Unknown scope: {unknown[0]}.", why=f"The scopes are: {', '.join(GRANTS)}.")
    if lifetime_s is not None and not 0 < lifetime_s <= LONGEST_LIFETIME_S:
        raise InvalidParams(f"expires_in must be a number of seconds, from 1 to {LONGEST_LIFETIME_S}.")
    account = scope.caller
    if user and user.lower() not in (account.email.lower(), str(account.id)):
        if not account.is_operator:
            raise Forbidden(
                "Only the operator can create tokens for another account.",
                fix="Ask the operator: `changeover authorizations:create --user EMAIL`.",
            )
        account = await ensure_account(scope.db, user)
    _require_shorter(scope, datetime.now(UTC) + timedelta(seconds=lifetime_s) if lifetime_s else None)
    token = new_token()
    made = await _authorize(
        scope.db, account, token, description=description, lifetime_s=lifetime_s, scopes=sorted(set(scopes))
    )
    return made, token


def _require_shorter(scope: Scope, expires_at: datetime | None) -> None:
    """A token that expires can't create or renew one that lasts longer. Raises Forbidden."""
    own = scope.bearer.expires_at if scope.bearer else None
    if own is None or (expires_at is not None and expires_at <= own):
        return
    left_s = int((own - datetime.now(UTC)).total_seconds())
    raise Forbidden(
        "A token can't create or renew a token that outlives it.",
        why=f"Yours expires in {left_s} seconds.",
        fix=f"Create one that expires earlier (`--expires-in {max(1, left_s - 1)}`), or use a token that lasts longer.",
    )


async def rotate(scope: Scope, authorization: Authorization) -> tuple[Authorization, str]:
    """Replace an authorization's token. The old one stops working. The operator's own is also written to its file.

    Its scope and expiry stay. Raises Forbidden for one that outlives the token of this request.
    """
    _require_shorter(scope, authorization.expires_at)
    token = new_token()
    renewed = await query.only(
        scope.db, Authorization, "accounts.renew_token",
        id=authorization.id, token_hash=token_hash(token), token_hint=token_hint(token),
    )  # fmt: skip
    if authorization.is_operator:
        file = scope.parts.home / OPERATOR_TOKEN_FILE
        scope.afterwards.append(functools.partial(write_secret_file, file, token + "\n"))
    return renewed, token


async def describe(scope: Scope, authorization: Authorization, description: str) -> Authorization:
    return await query.only(scope.db, Authorization, "accounts.describe", id=authorization.id, description=description)


async def revoke(scope: Scope, authorization: Authorization) -> None:
    """Raises InvalidParams for the operator's own, which can only be rotated."""
    if authorization.is_operator:
        raise InvalidParams(
            "The operator's own token can't be revoked.",
            why="Without it, this installation could not be managed.",
            fix=f"Rotate it: `changeover authorizations:rotate {authorization.id}`.",
        )
    await query.execute(scope.db, "accounts.revoke", id=authorization.id)


async def _authorize(
    db: Db,
    account: Account,
    token: str,
    *,
    description: str,
    is_operator: bool = False,
    lifetime_s: int | None = None,
    scopes: Sequence[str] = ("global",),
) -> Authorization:
    return await query.only(
        db, Authorization, "accounts.authorize",
        account_id=account.id, description=description, scope=list(scopes), token_hash=token_hash(token),
        token_hint=token_hint(token), is_operator=is_operator, expires_in_s=lifetime_s,
    )  # fmt: skip
