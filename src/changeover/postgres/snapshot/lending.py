"""Lends rights on a schema for the statements of one entry.

A role that granted a right or owns an object may since have lost its right on the schema. Its grants and objects stay valid on
the source, but the target requires that right for the grant or, unless we are superuser, for the change of owner.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from psycopg import sql

from changeover.postgres.connect import Connection
from changeover.postgres.snapshot.archive import Entry
from changeover.postgres.snapshot.schema import STATEMENTS

ACTS_AS: Final = re.compile(rb'\s*SET (?:SESSION AUTHORIZATION|ROLE) "((?:[^"]|"")*)";')
LACKING: Final = """
SELECT w.schema, w.role FROM unnest(%s::text[], %s::text[]) w (schema, role)
  JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema JOIN pg_catalog.pg_roles r ON r.rolname = w.role
 WHERE NOT has_schema_privilege(r.oid, n.oid, %s)
"""


async def with_right_to_own(target: Connection, gifts: Sequence[Entry]) -> list[Entry]:
    """Each new owner needs CREATE on the schema of its object."""
    return await _lent(target, gifts, [{one.owner} if one.toc.schema else set() for one in gifts], "CREATE")


async def with_right_to_grant(target: Connection, grants: Sequence[Entry], *, is_superuser: bool) -> list[Entry]:
    """Each grantor needs USAGE on the schema. A role that is not a superuser acts as the grantor by SET ROLE."""
    made = list(grants) if is_superuser else [_by_set_role(one) for one in grants]
    return await _lent(target, made, [_grantors(one.text) if one.toc.schema else set() for one in made], "USAGE")


def _grantors(text: bytes) -> set[str]:
    if b"SET " not in text:
        return set()
    found = [ACTS_AS.fullmatch(one) for one in STATEMENTS.findall(text)]
    return {one[1].replace(b'""', b'"').decode("utf-8", "replace") for one in found if one}


def _by_set_role(entry: Entry) -> Entry:
    if b"SESSION AUTHORIZATION" not in entry.text:
        return entry
    statements = [
        re.sub(rb"^(\s*(?:RE)?SET )SESSION AUTHORIZATION", rb"\1ROLE", one) for one in STATEMENTS.findall(entry.text)
    ]
    return replace(entry, text=b"".join(statements))


async def _lent(target: Connection, entries: Sequence[Entry], roles: Sequence[set[str]], right: str) -> list[Entry]:
    pairs = sorted({(one.toc.schema, role) for one, some in zip(entries, roles, strict=True) for role in some})
    rows = await target.execute(LACKING, [[schema for schema, _ in pairs], [role for _, role in pairs], right])
    lacking = {(schema, role) for schema, role in await rows.fetchall()}
    return [_with(one, sorted(role for role in some if (one.toc.schema, role) in lacking), right)
            for one, some in zip(entries, roles, strict=True)]  # fmt: skip


def _with(entry: Entry, borrowers: Sequence[str], right: str) -> Entry:
    text = entry.text
    for role in borrowers:
        words = {"right": sql.SQL(right), "schema": sql.Identifier(entry.toc.schema), "role": sql.Identifier(role)}
        there = sql.SQL("GRANT {right} ON SCHEMA {schema} TO {role};\n").format(**words).as_bytes()
        back = sql.SQL("\nREVOKE {right} ON SCHEMA {schema} FROM {role};").format(**words).as_bytes()
        text = there + text + back
    return replace(entry, text=text)
