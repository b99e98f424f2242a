"""Checks default privileges on the target, which change the rights on everything that the migration creates."""

from __future__ import annotations

from changeover.changeovers.checks.finding import Answers, check, failed
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import OURS
from changeover.changeovers.checks.target import our_mark

_STATEMENTS = """
, defaults AS (
    SELECT d.defaclobjtype AS type, n.nspname AS schema, d.defaclacl AS has,
           CASE WHEN n.oid IS NULL THEN pg_catalog.acldefault(
                CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole) END AS normal
      FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
     WHERE d.defaclrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
       AND (n.oid IS NULL OR n.nspname = ANY (%(schemas)s) AND n.oid IN (SELECT oid FROM homes))
), rights AS (
    SELECT type, schema, 'has' AS whence, r.* FROM defaults, pg_catalog.aclexplode(has) r
    UNION ALL SELECT type, schema, 'normal', r.* FROM defaults, pg_catalog.aclexplode(normal) r
), differing AS (
    SELECT type, schema, grantee, privilege_type, bool_or(whence = 'normal') AS is_normal
      FROM rights GROUP BY type, schema, grantee, privilege_type, is_grantable HAVING count(*) = 1
)
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I%%s %%s %%s ON %%s %%s %%s;', current_user,
              coalesce(' IN SCHEMA ' || quote_ident(schema), ''), CASE WHEN is_normal THEN 'GRANT' ELSE 'REVOKE' END,
              string_agg(DISTINCT privilege_type, ', '),
              CASE type WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS' WHEN 'T' THEN 'TYPES'
                        WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
              CASE WHEN is_normal THEN 'TO' ELSE 'FROM' END,
              CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_catalog.pg_get_userbyid(grantee)) END),
       is_normal
  FROM differing GROUP BY type, schema, grantee, is_normal ORDER BY is_normal, 1"""
"""REVOKE comes before GRANT: a grant option that does not exist by default is removed by granting the right again without it."""
_LIST = "SELECT defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl FROM pg_default_acl;"


@check("T24", "The target's default privileges change no rights", "target")
async def default_privileges(look: Look) -> Answers:
    """Only those of the login, which creates everything. Those of other roles affect only what these create later."""
    side, login = look.there, look.there.identity.login
    if OURS in side.schemas and look.mark is not None and await our_mark(side) == look.mark:
        return  # the previous attempt may have copied the source's
    for statement, is_normal in await side.rows(_STATEMENTS, schemas=sorted(look.source.schemas)):
        yield failed(
            f"Default privileges of {login} on the target {'remove rights from' if is_normal else 'add rights to'} "
            "what it creates.",
            "The migration logs in as this role, so the copy would have other rights than the source.",
            f"On the target: {statement}",
            _LIST,
        )
