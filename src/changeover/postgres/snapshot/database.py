"""The database's own properties: owner, rights, connection limit, comment. Each is copied, or reported with the reason.

Never loosens the target's restrictions: no role gains access, or more connections, that it did not have there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any, Final

from psycopg import sql

from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.sessions import refusal_of

PROPERTIES: Final = """
SELECT d.datname::text, pg_catalog.pg_get_userbyid(d.datdba)::text, d.datdba = 10, d.datconnlimit,
       pg_catalog.shobj_description(d.oid, 'pg_database'), d.datistemplate,
       (SELECT json_agg(json_build_array(CASE WHEN a.grantee = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(a.grantee)::text END,
                                         a.privilege_type, a.is_grantable) ORDER BY a.grantee, a.privilege_type)
          FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a)
  FROM pg_catalog.pg_database d WHERE d.datname = current_database()
"""
Right = tuple[str | None, str, bool]
"""Grantee (None: PUBLIC), privilege, and whether it has grant option."""
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Database:
    """The properties on one side."""

    name: str
    owner: str
    is_bootstrap: bool
    """Whether it belongs to the bootstrap superuser."""
    limit: int
    comment: str | None
    is_template: bool
    rights: tuple[Right, ...]

    def given(self) -> set[Right]:
        """Rights granted to roles other than the owner, who differs between the sides."""
        return {right for right in self.rights if right[0] != self.owner}


async def read_database(connection: Connection) -> Database:
    name, owner, is_bootstrap, limit, comment, is_template, rights = await fetch_row(connection, PROPERTIES)
    given = tuple((whose, what, may_pass) for whose, what, may_pass in rights or ())
    return Database(name, owner, is_bootstrap, limit, comment, is_template, given)


async def bring_database(
    there: Database, target: Connection, ledger: Ledger, known: Collection[str] | None, tell: Tell
) -> None:
    """`there` is the source. `known` are roles that can own objects on the target. None: owners and rights are not kept."""
    here = await read_database(target)
    if not ledger.has("before", "database"):
        async with target.transaction():
            await ledger.note(target, "before", "database", was=asdict(here))
        ledger.confirm("before", "database", was=asdict(here))
    name = sql.Identifier(here.name)
    if there.is_template:
        tell("The database is a template on the source but not on the target.")
    if there.comment is not None and there.comment != here.comment:
        comment = sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(there.comment))
        await _try(target, comment, "The database's comment", tell)
    await _bring_rights(there, here, target, known, tell)
    await _bring_limit(there, here, target, tell)
    await _bring_owner(there, here, target, known, tell)
    await _keep_entry(target, name, tell)


async def bring_comment_of_public(source: Connection, target: Connection, tell: Tell) -> None:
    """Includes a removed or default comment, which not every version dumps. The ledger has the original comment."""
    query = "SELECT obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace WHERE nspname = 'public'"
    there, here = [await (await side.execute(query)).fetchone() for side in (source, target)]
    if there is not None and here is not None and there != here:
        comment = sql.SQL("COMMENT ON SCHEMA public IS {}").format(sql.Literal(there[0]))
        await _try(target, comment, "The comment of schema public", tell)


async def _bring_limit(there: Database, here: Database, target: Connection, tell: Tell) -> None:
    if there.limit == here.limit:
        return
    if there.limit == 0:
        tell("The database's connection limit of 0 is not copied: no user could log in.")
    elif there.limit == -1 or -1 < here.limit < there.limit:
        tell(f"The database's connection limit stays {here.limit}. On the source it is {there.limit}.")
    else:
        limit = sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(
            sql.Identifier(here.name), sql.Literal(there.limit)
        )
        await _try(target, limit, f"The database's connection limit of {there.limit}", tell)


async def _bring_rights(
    there: Database, here: Database, target: Connection, known: Collection[str] | None, tell: Tell
) -> None:
    wanted, present = there.given(), here.given()
    if wanted == present:
        return
    if known is None:
        tell(f"Rights on the database are not copied, because roles are not. On the source: {_in_words(wanted)}.")
        return
    for right in sorted(
        (one for one in present - wanted if one[0] is None), key=str
    ):  # rights of other roles belong to the target
        await _try(target, _revoke(here.name, right), f"REVOKE {_in_words([right])}", tell)
    for right in sorted(wanted - present, key=str):
        if right[0] is None:
            tell(f"PUBLIC has {right[1]} on the source but not on the target. The target stays as it is.")
        elif right[0] not in known:
            tell(
                f"{_in_words([right])} on the database is not copied: the target's role can't grant anything to {right[0]}."
            )
        else:
            await _try(target, _grant(here.name, right), f"GRANT {_in_words([right])}", tell)


async def _bring_owner(
    there: Database, here: Database, target: Connection, known: Collection[str] | None, tell: Tell
) -> None:
    if there.owner == here.owner or (there.is_bootstrap and here.is_bootstrap):
        return
    if known is None or there.is_bootstrap or there.owner not in known:
        tell(f"The database belongs to {there.owner} on the source and to {here.owner} on the target.")
        return
    statement = sql.SQL("ALTER DATABASE {} OWNER TO {}").format(sql.Identifier(here.name), sql.Identifier(there.owner))
    await _try(target, statement, f"The database's owner {there.owner}", tell)


async def _keep_entry(target: Connection, name: sql.Identifier, tell: Tell) -> None:
    """Keep the right to connect for the target's own role."""
    (enters, who) = await fetch_row(
        target, "SELECT has_database_privilege(current_database(), 'CONNECT'), current_user::text"
    )
    if not enters:
        tell(f"{who} keeps the right to CONNECT, which it does not have on the source. The comparison needs it.")
        await target.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO CURRENT_USER").format(name))


async def put_back_database(target: Connection, was: dict[str, Any]) -> None:
    """Restore the owner, rights, limit and comment."""
    if not was:
        return
    here, name = await read_database(target), sql.Identifier(was["name"])
    if here.owner != was["owner"]:
        await target.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(was["owner"])))
        here = await read_database(target)
    if here.limit != was["limit"]:
        await target.execute(sql.SQL("ALTER DATABASE {} CONNECTION LIMIT {}").format(name, sql.Literal(was["limit"])))
    if here.comment != was["comment"]:
        await target.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(was["comment"])))
    then = {(whose, what, may_pass) for whose, what, may_pass in was["rights"]}
    for right in sorted(set(here.rights) - then, key=str):
        await target.execute(_revoke(here.name, right))
    for right in sorted(then - set(here.rights), key=str):
        await target.execute(_grant(here.name, right))


async def _try(target: Connection, statement: sql.Composed, what: str, tell: Tell) -> None:
    if refusal := await refusal_of(target, statement):
        tell(f"{what} is not copied: {refusal}")


def _whom(right: Right) -> sql.Composable:
    return sql.SQL("PUBLIC") if right[0] is None else sql.Identifier(right[0])


def _revoke(name: str, right: Right) -> sql.Composed:
    statement = sql.SQL("REVOKE {} ON DATABASE {} FROM {}")
    return statement.format(sql.SQL(right[1]), sql.Identifier(name), _whom(right))


def _grant(name: str, right: Right) -> sql.Composed:
    statement = sql.SQL("GRANT {} ON DATABASE {} TO {}").format(sql.SQL(right[1]), sql.Identifier(name), _whom(right))
    return statement + sql.SQL(" WITH GRANT OPTION" if right[2] else "")


def _in_words(rights: Collection[Right]) -> str:
    return ", ".join(f"{what} to {whose or 'PUBLIC'}" for whose, what, _ in sorted(rights, key=str)) or "none"
