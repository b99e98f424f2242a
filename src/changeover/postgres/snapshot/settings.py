"""Copies settings of the database and of roles in it, or reports them with the reason.

No setting may prevent logins to the target. A library is loaded first as a test, and finally a new session must start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql

from changeover.errors import ChangeoverError
from changeover.errors.elsewhere import TransferFailed
from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import Location
from changeover.postgres.snapshot.ledger import Ledger
from changeover.postgres.snapshot.sessions import is_lost, one_line, writing

SETTINGS: Final = """
SELECT r.rolname::text, s.setconfig FROM pg_catalog.pg_db_role_setting s LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
   AND (s.setrole = 0 OR r.oid IS NOT NULL)
 ORDER BY 1 NULLS FIRST
"""
LISTS: Final = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")
LIBRARIES: Final = ("local_preload_libraries", "session_preload_libraries")
HELD_BY: Final = ("default_transaction_read_only", "transaction_read_only")
"""Settings that hold a source's writers, set by us or manually. The target must be writable."""


@dataclass(frozen=True)
class Setting:
    """A setting as in the catalog. It belongs to the database if there is no role."""

    role: str | None
    name: str
    value: str

    @classmethod
    def of(cls, role: str | None, text: str) -> Setting:
        name, _, value = text.partition("=")
        return cls(role, name, value)

    @property
    def key(self) -> str:
        """Its key in the ledger."""
        return f"{self.role or ''}\n{self.name}"

    def whom(self, database: sql.Identifier) -> sql.Composed:
        """The target clause of ALTER."""
        if self.role is None:
            return sql.SQL("DATABASE {}").format(database)
        return sql.SQL("ROLE {} IN DATABASE {}").format(sql.Identifier(self.role), database)

    @property
    def says(self) -> str:
        return f"The setting {self.name} = {self.value!r} of {f'role {self.role}' if self.role else 'the database'}"


async def read_settings(source: Connection) -> list[Setting]:
    """The settings of this database, for all or single roles. Reads in the caller's transaction."""
    rows = await (await source.execute(SETTINGS)).fetchall()
    return [Setting.of(role, text) for role, texts in rows for text in texts]


async def bring_settings(
    settings: Collection[Setting], target: Connection, location: Location, ledger: Ledger, tell: Callable[[str], None], *,
    is_held: bool,
) -> None:  # fmt: skip
    """Copy the settings of this database. `tell` gets a line for each that is not copied."""
    (database,) = await fetch_row(target, "SELECT current_database()::text")
    here = sql.Identifier(database)
    roles = {
        name for (name,) in await (await target.execute("SELECT rolname::text FROM pg_catalog.pg_roles")).fetchall()
    }
    (me,) = await fetch_row(target, "SELECT session_user::text")
    for setting in settings:
        if ledger.has("setting", setting.key):
            continue
        if setting.name.lower() == "role" and setting.role in (None, me):
            sets = sql.SQL("ALTER {} SET ROLE {}").format(setting.whom(here), sql.Identifier(setting.value)).as_string()
            tell(
                f"{setting.says} is not copied: the migration itself would continue as that role. Run afterwards: {sets}"
            )
        elif setting.name.lower() in HELD_BY:
            if setting.role or not is_held:
                tell(f"{setting.says} is not copied: the target must be writable.")
        elif setting.role is not None and setting.role not in roles:
            tell(f"{setting.says} is not copied: the target has no such role.")
        elif why := await _bring(target, location, ledger, setting.whom(here), setting):
            tell(f"{setting.says} is not copied: {why}")
    await _prove_entry(target, location, ledger, tell)


async def _bring(
    target: Connection, location: Location, ledger: Ledger, whom: sql.Composed, setting: Setting
) -> str | None:
    facts = {"role": setting.role, "setting": setting.name, "before": await _value(target, setting)}

    async def note() -> None:
        await ledger.note(target, "setting", setting.key, **facts)

    why = await try_setting(target, location, whom, setting, note)
    if why is None:
        ledger.confirm("setting", setting.key, **facts)
    return why


Note = Callable[[], Awaitable[None]]


async def try_setting(
    target: Connection,
    location: Location,
    whom: sql.Composed,
    setting: Setting,
    note: Callable[[], Awaitable[None]] | None = None,
) -> str | None:
    """Run `ALTER … SET` in its own transaction, together with `note`. Returns the reason if it fails."""
    if setting.name.lower() in LIBRARIES and (why := await _missing_library(location, setting)):
        return why
    try:
        async with target.transaction():
            await set_for(target, whom, setting)
            if note:
                await note()
    except psycopg.Error as refused:
        if is_lost(refused):
            raise
        return one_line(refused)
    return None


async def set_for(target: Connection, whom: sql.Composed, setting: Setting) -> None:
    """In the caller's transaction."""
    quoted = name_of(setting.name)
    if setting.name.lower() in LISTS:  # its value is a quoted list, which a literal would turn into one element
        await target.execute("SELECT set_config(%s, %s, true)", [setting.name, setting.value])
        await target.execute(sql.SQL("ALTER {} SET {} FROM CURRENT").format(whom, quoted))
        await target.execute("SELECT set_config('search_path', '', true)")
    else:
        await target.execute(sql.SQL("ALTER {} SET {} TO {}").format(whom, quoted, sql.Literal(setting.value)))


def name_of(setting: str) -> sql.Composed:
    """Quoted, for SET and RESET."""
    return sql.SQL(".").join(sql.Identifier(part) for part in setting.split("."))


async def _missing_library(location: Location, setting: Setting) -> str | None:
    """A session that can't load a library ends at once, so the setting would prevent all logins."""
    async with writing(location, "changeover tries libraries") as session:
        found = await session.execute("SELECT unnest(regexp_split_to_array(%s, '\\s*,\\s*'))", [setting.value])
        for (name,) in await found.fetchall():
            library = name.strip('"')
            if not library:
                continue
            where = (
                library
                if setting.name.lower().startswith("session") or library.startswith("$")
                else f"$libdir/plugins/{library}"
            )
            try:
                await session.execute(sql.SQL("LOAD {}").format(sql.Literal(where)))
            except psycopg.Error as refused:
                if is_lost(refused):
                    raise
                return f"with it no user could log in, because the target can't load {library} ({one_line(refused)})"
    return None


async def _value(target: Connection, setting: Setting) -> str | None:
    found = await target.execute(
        "SELECT substr(one, strpos(one, '=') + 1) FROM pg_catalog.pg_db_role_setting s, unnest(s.setconfig) one"
        " WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())"
        " AND s.setrole = coalesce((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = %s), 0)"
        " AND lower(split_part(one, '=', 1)) = lower(%s)",
        [setting.role, setting.name],
    )
    row = await found.fetchone()
    return None if row is None else str(row[0])


async def _prove_entry(target: Connection, location: Location, ledger: Ledger, tell: Callable[[str], None]) -> None:
    """Start a new session. If that fails, reset the settings. Raises TransferFailed if that does not help."""
    try:
        async with writing(location, "changeover tries to log in"):
            return
    except (ChangeoverError, psycopg.Error) as refused:
        why = refused.why if isinstance(refused, ChangeoverError) else one_line(refused)
    await reset_settings(target, ledger)
    tell(f"No setting of the database is copied: with them no user could log in to the target ({why}).")
    try:
        async with writing(location, "changeover tries to log in"):
            pass
    except (ChangeoverError, psycopg.Error) as refused:
        if is_lost(refused):
            raise
        raise TransferFailed(
            "No user can log in to the target any more.",
            why=why,
            fix="See the target's log, and its ALTER DATABASE settings.",
        ) from refused


async def reset_settings(target: Connection, ledger: Ledger) -> None:
    """Restore their former values and remove them from the ledger, so that a later attempt tries or reports them again."""
    (database,) = await fetch_row(target, "SELECT current_database()::text")
    here = sql.Identifier(database)
    for key, facts in ledger.of("setting").items():
        async with target.transaction():
            await _reset(target, here, key, facts)
            await ledger.forget_one(target, "setting", key)


async def _reset(target: Connection, here: sql.Identifier, key: str, facts: dict[str, Any]) -> None:
    role = facts.get("role")
    if role and not (await target.execute("SELECT FROM pg_catalog.pg_roles WHERE rolname = %s", [role])).rowcount:
        return
    setting = Setting(role, facts.get("setting", key), facts.get("before") or "")
    if facts.get("before") is not None:
        await set_for(target, setting.whom(here), setting)
    else:
        await target.execute(sql.SQL("ALTER {} RESET {}").format(setting.whom(here), name_of(setting.name)))
