"""Checks of what the target's server and build need for the schema of the source, by asking or trying."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from changeover.changeovers.checks.finding import Answers, check, failed, named, passed, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import Side
from changeover.changeovers.checks.trying import in_words, refusal_of, room_to_try
from changeover.postgres.connect import Connection
from changeover.postgres.reaching import reach
from changeover.quantities import counted

_LZ4_COLUMNS = """
SELECT mine.name, quote_ident(attname), mine.relkind::text FROM mine JOIN pg_attribute a ON a.attrelid = mine.oid
 WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'm') AND to_jsonb(a) ->> 'attcompression' = 'l'
 ORDER BY 1, attnum"""
_LIST_LZ4 = """SELECT attrelid::regclass, attname FROM pg_attribute WHERE attcompression = 'l' AND NOT attisdropped;"""
_COLLATIONS = """
SELECT quote_ident(homes.nspname) || '.' || quote_ident(c.collname), c.collprovider::text,
       coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale', to_jsonb(c) ->> 'collcollate'),
       to_jsonb(c) ->> 'collcollate', to_jsonb(c) ->> 'collctype', coalesce((to_jsonb(c) ->> 'collisdeterministic')::bool, true),
       to_jsonb(c) ->> 'collicurules'
  FROM pg_collation c JOIN homes ON homes.oid = c.collnamespace
 WHERE (c.tableoid, c.oid) NOT IN (SELECT classid, objid FROM brought) ORDER BY 1"""
_LIBRARIES = """
SELECT coalesce(r.rolname, ''), setdatabase <> 0, split_part(one, '=', 1), library
  FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(s.setconfig) one,
       regexp_split_to_table(substr(one, strpos(one, '=') + 1), '\\s*,\\s*') library
 WHERE (setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
        OR setdatabase = 0 AND r.rolname = ANY (%(roles)s))
   AND lower(split_part(one, '=', 1)) IN ('session_preload_libraries', 'local_preload_libraries') AND btrim(library, '" ') <> ''
 ORDER BY 1, 2, 3, 4"""
_XML = """
SELECT mine.name || '.' || quote_ident(attname) FROM mine JOIN pg_attribute a ON a.attrelid = mine.oid
 WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'm') AND atttypid IN ('xml'::regtype, 'xml[]'::regtype)
UNION SELECT mine.name FROM mine JOIN pg_rewrite r ON r.ev_class = mine.oid
 WHERE relkind IN ('v', 'm') AND r.ev_action::text ~ '[{]XMLEXPR|[{]TABLEFUNC (?!:functype 1)|:consttype 142 ' ORDER BY 1"""
_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


@check("T15", "The target has the schema public", "target")
async def public(look: Look) -> Answers:
    """Every new database has it, so dumps of a schema don't create it."""
    if "public" in look.source.schemas and "public" not in look.there.schemas:
        yield failed(
            f"The target's database {look.there.identity.database} has no schema public.",
            "The source has it. It is part of every new database, so the migration doesn't create it.",
            "On the target: CREATE SCHEMA public;",
        )


@check("T17", "The target's build has the compression that is used", "target")
async def compression(look: Look) -> Answers:
    columns = await look.source.rows(_LZ4_COLUMNS)
    if not columns:
        return
    ((has_lz4,),) = await look.there.rows(
        "SELECT coalesce(bool_or('lz4' = ANY (enumvals)), false) FROM pg_settings WHERE name = 'default_toast_compression'"
    )
    if has_lz4:
        yield passed(f"{counted(len(columns), 'column')} with LZ4 compression, which the target has.")
        return
    (table, column, kind), *_ = columns
    of = "MATERIALIZED VIEW" if kind == "m" else "TABLE"
    names = named(f"{table}.{column}" for table, column, _ in columns)
    yield failed(
        f"The target's PostgreSQL was built without LZ4, and columns of the source use it: {names}.",
        "The target refuses their compression method.",
        "On the source, for each of them (its rows are not rewritten): "
        f"ALTER {of} {table} ALTER COLUMN {column} SET COMPRESSION pglz; or choose a target that was built with LZ4.",
        _LIST_LZ4,
    )


@check("T25", "The target's build has XML if it is used", "target")
async def xml(look: Look) -> Answers:
    """Without libxml the type exists, but rejects every value."""
    used = await look.source.names(_XML)
    if not used:
        return
    try:
        await look.there.rows("SELECT pg_catalog.xmlcomment('')")
    except psycopg.errors.FeatureNotSupported:
        yield failed(
            f"The target's PostgreSQL was built without libxml, and the source uses XML: {named(used)}.",
            "The target rejects XML values and views with XML functions.",
            "Choose a target that was built with libxml; or change the columns to text and drop the views on the source.",
        )
    else:
        yield passed(
            f"{counted(len(used), 'column or view', 'columns and views')} with XML, which the target can read."
        )


@check("T18", "The target can create the source's collations", "target")
async def collations(look: Look) -> Answers:
    """Tries each, in a transaction that is rolled back. There is no other way to see whether ICU or a locale is missing."""
    made = await look.source.rows(_COLLATIONS)
    if not made:
        return
    side = look.there
    async with room_to_try(side.connection):
        for name, provider, *how in made:
            if refused := await refusal_of(side.connection, _collation(provider, how)):
                yield failed(
                    f"The target can't create the source's collation {name} ({_PROVIDERS.get(provider, provider)}, {how[0]}).",
                    f"It was tried and rolled back: {in_words(refused)}.",
                    "Install the locale, or a PostgreSQL with ICU, on the target's host; or, if nothing uses it, on the source: "
                    f"DROP COLLATION {name};",
                    "SELECT collnamespace::regnamespace, collname, collprovider FROM pg_collation WHERE oid >= 16384;",
                )  # fmt: skip


def _collation(provider: str, how: Sequence[Any]) -> sql.Composed:
    locale, collate, ctype, is_deterministic, rules = how
    options = [sql.SQL("provider = {}").format(sql.Literal(_PROVIDERS.get(provider, provider)))]
    if provider == "c":
        options += [sql.SQL("lc_collate = {}, lc_ctype = {}").format(sql.Literal(collate), sql.Literal(ctype))]
    else:
        options += [sql.SQL("locale = {}").format(sql.Literal(locale))]
    if not is_deterministic:
        options += [sql.SQL("deterministic = false").format()]
    if rules:
        options += [sql.SQL("rules = {}").format(sql.Literal(rules))]
    return sql.SQL("CREATE COLLATION _changeover_probe.one ({})").format(sql.SQL(", ").join(options))


@check("T19", "The target can load the libraries that settings name", "target")
async def libraries(look: Look) -> Answers:
    """A library that can't be loaded would prevent all logins, so the migration leaves such a setting out."""
    set_ = await look.source.rows(_LIBRARIES, roles=[role.name for role in look.source.moved_roles])
    if not set_:
        return
    async with reach(look.there.location, application_name="changeover check") as session:
        for role, is_of_database, setting, library in set_:
            refusal = await _loads(session, setting, library.strip('" '))
            if refusal:
                whose = _whose(look.source, role, is_of_database)
                yield warning(
                    f"The target can't load the library {library}. The source's {setting} names it ({whose}).",
                    f"It would prevent all logins, so the migration leaves the setting out: {refusal}.",
                    f"Install the library on the target's host, or on the source: ALTER {whose} RESET {setting};",
                    "SELECT setdatabase, setrole::regrole, setconfig FROM pg_db_role_setting;",
                )


def _whose(side: Side, role: str, is_of_database: bool) -> str:
    database = sql.Identifier(side.identity.database).as_string()
    if not role:
        return f"DATABASE {database}"
    return f"ROLE {sql.Identifier(role).as_string()}" + (f" IN DATABASE {database}" if is_of_database else "")


async def _loads(session: Connection, setting: str, library: str) -> str | None:
    is_plugin = setting.lower().startswith("local") and not library.startswith("$")
    try:
        path = f"$libdir/plugins/{library}" if is_plugin else library
        await session.execute(sql.SQL("LOAD {}").format(sql.Literal(path)))
    except psycopg.Error as refused:
        if session.closed:
            raise
        return refused.diag.message_primary or "it was refused"
    return None
