"""The facts of a report, from the open servers: sizes, extensions, settings, roles."""

from __future__ import annotations

import psycopg

from changeover.changeovers.checks.access import may_make_roles
from changeover.changeovers.checks.checked import (
    Checked,
    ExtensionReport,
    Forecast,
    RoleReport,
    ServerReport,
    SettingReport,
    Size,
    TableReport,
    forecast,
)  # fmt: skip
from changeover.changeovers.checks.contents import LARGE
from changeover.changeovers.checks.finding import Finding
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import SECRET_SETTINGS, Extension, Side
from changeover.changeovers.checks.target import as_numbers, available

BIGGEST = 10
_TABLES = """SELECT name, pg_table_size(oid), pg_indexes_size(oid), greatest(reltuples, 0)::bigint
  FROM mine WHERE relkind IN ('r', 'm') ORDER BY 2 DESC"""

_TABLES_ESTIMATED = """
SELECT name, relpages * 8192::bigint,
       (SELECT coalesce(sum(i.relpages), 0)::bigint * 8192 FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
         WHERE x.indrelid = mine.oid), greatest(reltuples, 0)::bigint
  FROM mine WHERE relkind IN ('r', 'm') ORDER BY 2 DESC"""


async def report(look: Look, findings: list[Finding]) -> Checked:
    """The complete report."""
    size = await _size(look.source)
    return Checked(
        findings=tuple(findings),
        source=_server(look.source),
        target=_server(look.target) if look.target else None,
        extensions=tuple([await _extension(look, one) for one in look.source.extensions if one.name != "plpgsql"]),
        settings=_settings(look),
        size=size,
        forecast=_forecast(look, size),
        clients=look.sample.clients,
        sampled_s=look.sample.sampled_s,
        roles=_roles(look),
        keeps_owners=_keeps_owners(look),
    )


def _server(side: Side) -> ServerReport:
    me = side.identity
    return ServerReport(
        address=str(side.location), database=me.database, user=me.login, version=me.version, version_num=me.version_num,
        system_identifier=me.system_identifier, is_in_recovery=me.is_in_recovery, is_superuser=me.is_superuser,
        has_tls=me.has_tls, encoding=me.encoding, provider=side.provider,
    )  # fmt: skip


async def _size(side: Side) -> Size:
    try:
        rows = await side.rows(_TABLES)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
        rows = await side.rows(_TABLES_ESTIMATED)  # measuring waits for locked tables
    tables = [TableReport(*row) for row in rows]
    return Size(
        bytes=side.identity.size_bytes,
        table_bytes=sum(table.table_bytes for table in tables),
        index_bytes=sum(table.index_bytes for table in tables),
        tables=len(tables),
        biggest=tuple(tables[:BIGGEST]),
        limit_bytes=LARGE,
        is_over_limit=side.identity.size_bytes > LARGE,
    )


def _forecast(look: Look, size: Size) -> Forecast:
    line = look.lines.get("source")
    return forecast(size, line.bytes_per_s if line else None)


async def _extension(look: Look, one: Extension) -> ExtensionReport:
    if one.name in look.source.provider.skip_extensions:
        return ExtensionReport(one.name, one.version, one.schema, None, "ignored")
    if look.target is None:
        has_it = any(one.name in offered.extensions for offered in look.offered)
        return ExtensionReport(one.name, one.version, one.schema, None, "available" if has_it else "lacking")
    if one.name in look.left_out:
        return ExtensionReport(one.name, one.version, one.schema, None, "left out")
    installed = next((there.version for there in look.target.extensions if there.name == one.name), None)
    best = installed or max(await available(look.target, one.name), key=as_numbers, default=None)
    if best is None:
        return ExtensionReport(one.name, one.version, one.schema, None, "lacking")
    status = "older" if as_numbers(best) < as_numbers(one.version) else "installed" if installed else "available"
    return ExtensionReport(one.name, one.version, one.schema, best, status)  # type: ignore[arg-type]


def _settings(look: Look) -> tuple[SettingReport, ...]:
    source, target = look.source.settings, look.target.settings if look.target else {}
    everything = {**target, **source}
    return tuple(
        SettingReport(
            name, _shown(look.source, name), _shown(look.target, name) if look.target else None,
            everything[name].unit, everything[name].category, everything[name].says,
        )
        for name in sorted(everything, key=str.casefold)
    )  # fmt: skip


def _shown(side: Side, name: str) -> str | None:
    """The value in a new session of this login."""
    if name not in side.settings:
        return None
    value = side.settings[name].reset_value
    return "(hidden)" if value and name in SECRET_SETTINGS else value


def _roles(look: Look) -> tuple[RoleReport, ...]:
    there = {role.name for role in look.target.roles} if look.target else None
    return tuple(
        RoleReport(
            role.name, role.may_log_in, role.is_superuser, look.source.provider.reserves_role(role.name),
            None if there is None else role.name in there,
        )
        for role in look.source.roles
        if role.is_used_here and not role.name.startswith("pg_")
    )  # fmt: skip


def _keeps_owners(look: Look) -> bool:
    """The login may create roles, or all needed roles exist and it may act for them."""
    if look.target is None or may_make_roles(look.target):
        return True
    there = {role.name: role for role in look.target.roles}
    return all(role.name in there and there[role.name].is_mine for role in look.source.moved_roles)
