"""Accounts and their tokens. One account owns the installation: the operator, whose token lies in HOME/operator-token."""

from __future__ import annotations

from pathlib import Path

from changeover.errors import InvalidParams, NotFound, Unauthorized
from changeover.platform.scope import Scope
from changeover.platform.secrets import new_token, token_hash, token_hint, write_secret_file
from changeover.store import query
from changeover.store.query import Db
from changeover.store.rows import Account, Authorization

OPERATOR_TOKEN_FILE = "operator-token"  # noqa: S105 - a file's name


async def account_of_token(db: Db, token: str) -> Account:
    """Who holds it. Raises Unauthorized."""
    account = await query.one(db, Account, "accounts.by_token", token_hash=token_hash(token))
    if account is None:
        raise Unauthorized
    return account


async def ensure_operator(db: Db, *, email: str, home: Path) -> Account:
    """The owner account, and its token in HOME/operator-token; repeatable, and the file wins over the state."""
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
    """The account with that address, made if there is none: an installation's owner invites by naming somebody."""
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
    """By id; `~` is the one whose token was sent. Raises NotFound."""
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
    scope: Scope, *, description: str, lifetime_s: int | None, user: str | None = None
) -> tuple[Authorization, str]:
    """A further token, which only this answer ever shows. The operator may make one for somebody else."""
    account = scope.caller
    if user and user.lower() != account.email.lower():
        if not account.is_operator:
            raise InvalidParams("Only the operator can make tokens for somebody else.")
        account = await ensure_account(scope.db, user)
    token = new_token()
    made = await _authorize(scope.db, account, token, description=description, lifetime_s=lifetime_s)
    return made, token


async def rotate(scope: Scope, authorization: Authorization) -> tuple[Authorization, str]:
    """A new token for an authorization; the old one stops working. The operator's own goes to its file as well."""
    token = new_token()
    renewed = await query.only(
        scope.db, Authorization, "accounts.renew_token",
        id=authorization.id, token_hash=token_hash(token), token_hint=token_hint(token),
    )  # fmt: skip
    if authorization.is_operator:
        write_secret_file(scope.parts.home / OPERATOR_TOKEN_FILE, token + "\n")
    return renewed, token


async def describe(scope: Scope, authorization: Authorization, description: str) -> Authorization:
    return await query.only(scope.db, Authorization, "accounts.describe", id=authorization.id, description=description)


async def revoke(scope: Scope, authorization: Authorization) -> None:
    """Raises InvalidParams for the operator's own, which can only be rotated."""
    if authorization.is_operator:
        raise InvalidParams(
            "The operator's own token can't be revoked.",
            why="Without it nobody could manage this installation.",
            fix=f"Rotate it: `changeover authorizations:rotate {authorization.id}`.",
        )
    await query.execute(scope.db, "accounts.revoke", id=authorization.id)


async def _authorize(
    db: Db, account: Account, token: str, *, description: str, is_operator: bool = False, lifetime_s: int | None = None
) -> Authorization:
    return await query.only(
        db, Authorization, "accounts.authorize",
        account_id=account.id, description=description, scope=["global"], token_hash=token_hash(token),
        token_hint=token_hint(token), is_operator=is_operator, expires_in_s=lifetime_s,
    )  # fmt: skip
