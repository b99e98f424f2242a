"""No database, role, or role in a database can change what our statements mean."""

from __future__ import annotations

import json

import pytest
from tests.fix_control_plane import ControlPlane
from tests.fix_provider import Elsewhere, Provider

from changeover.postgres.reaching import SESSION, reach
from changeover.postgres.session_settings import MEANING

INNOCENT_CATEGORIES = (
    "Query Tuning", "Resource Usage", "Reporting and Logging", "Statistics", "Write-Ahead Log", "Developer Options",
    "Connections and Authentication / TCP", "Replication", "Autovacuum", "Vacuuming", "Error Handling",
    "Process Title", "Lock Management",
)  # fmt: skip
"""How fast, and what is logged; never what comes out."""
INNOCENT = {
    "application_name",  # ours comes with the login
    "commit_delay", "commit_siblings", "exit_on_error", "ssl_renegotiation_limit",
    "client_min_messages", "check_function_bodies",  # more or fewer messages and checks
    "default_text_search_config",  # only to_tsvector with one argument, which no statement of ours calls
    "default_toast_compression",  # how rows are stored; a column's own is in its definition
    "event_triggers", "session_replication_role", "lo_compat_privileges", "dynamic_library_path", "temp_tablespaces",
    "local_preload_libraries", "session_preload_libraries", "extension_control_path",  # happen at the login, or are a superuser's
    "vacuum_freeze_min_age", "vacuum_freeze_table_age", "vacuum_multixact_freeze_min_age", "vacuum_multixact_freeze_table_age",
    "vacuum_failsafe_age", "vacuum_multixact_failsafe_age", "vacuum_truncate", "bytea_output", "synchronous_commit",
    "statement_timeout", "lc_messages", "client_encoding", "default_transaction_read_only", "row_security", "role",
    "session_authorization", "transaction_isolation", "transaction_read_only", "transaction_deferrable", "seed", "is_superuser",
    "icu_validation_level", "synchronize_seqscans", "file_copy_method", "client_connection_check_interval", "scram_iterations",
    "tcp_user_timeout", "tcp_keepalives_interval", "tcp_keepalives_idle", "tcp_keepalives_count", "gin_pending_list_limit",
    "extension_destdir",  # Debian's own
    "allow_in_place_tablespaces", "allow_system_table_mods", "timezone_abbreviations", "allow_alter_system", "jit",
    "debug_discard_caches", "zero_damaged_pages", "ignore_system_indexes", "max_stack_depth",
}  # fmt: skip


@pytest.fixture
def made(provider: Provider) -> Elsewhere:
    return provider.database()


async def test_every_setting_that_a_database_can_carry_is_set_or_known_to_change_no_result(made: Elsewhere) -> None:
    async with reach(made.location) as connection:
        found = await connection.execute(
            "SELECT name, category FROM pg_catalog.pg_settings WHERE context IN ('user', 'superuser') AND name NOT LIKE '%.%'"
        )
        open_ones = {
            name
            for name, category in await found.fetchall()
            if name not in SESSION and name not in INNOCENT and not category.startswith(INNOCENT_CATEGORIES)
        }

    assert open_ones == set()


ODD = {
    "array_nulls": "off", "backslash_quote": "off", "bytea_output": "escape", "client_encoding": "latin1",
    "client_min_messages": "debug1", "DateStyle": "SQL, DMY", "default_transaction_deferrable": "on",
    "default_transaction_isolation": "serializable", "default_transaction_read_only": "off", "extra_float_digits": "-15",
    "IntervalStyle": "sql_standard", "lock_timeout": "1ms", "quote_all_identifiers": "on", "row_security": "off",
    "search_path": "nowhere", "standard_conforming_strings": "off", "TimeZone": "Asia/Kathmandu",
    "statement_timeout": "1ms", "transform_null_equals": "on", "xmlbinary": "hex", "xmloption": "document",
}  # fmt: skip


def carry(there: Elsewhere, how: str) -> None:
    """All of them, on the database, its owner, or its owner in it."""
    database, owner = there.database.name, there.database.owner.user
    whom = {
        "database": f"DATABASE {database}",
        "role": f"ROLE {owner}",
        "both": f"ROLE {owner} IN DATABASE {database}",
    }[how]
    for name, value in ODD.items():
        there.ask(
            f"ALTER {whom} SET \"{name}\" = '{value}'"
            if name != "DateStyle"
            else f"ALTER {whom} SET DateStyle = SQL, DMY"
        )


@pytest.fixture(params=["database", "role", "both"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def odd(made: Elsewhere, how: str) -> Elsewhere:
    carry(made, how)
    return made


async def test_a_session_has_its_own_settings_whatever_the_database_carries(odd: Elsewhere) -> None:
    async with reach(odd.location) as connection:
        rows = await (await connection.execute("SELECT name, setting FROM pg_catalog.pg_settings")).fetchall()

    now = dict(rows)
    assert {name: now[name] for name in MEANING if name in now} == {
        name: MEANING[name] for name in MEANING if name in now
    }
    assert (now["search_path"], now["client_encoding"]) == ("pg_catalog", "UTF8")


def test_what_odd_settings_surround_is_checked_moved_and_equal(
    control_plane: ControlPlane, provider: Provider, how: str
) -> None:
    source, target = provider.database(), provider.database()
    with source.database.connect() as session:
        session.execute(
            "CREATE TABLE texts (id int PRIMARY KEY, t text DEFAULT E'a\\\\b', a text[], d date[], x xml, b bytea, m money)"
        )
        session.execute("COMMENT ON TABLE texts IS E'C:\\\\temp'")
        session.execute(
            "INSERT INTO texts VALUES (1, E'a\\\\b', ARRAY['a', NULL, 'NULL'], ARRAY['2020-03-04'::date, NULL], '<a/>text',"
            " E'\\\\000ff', '12.34')"
        )
    with target.database.connect() as session:
        session.execute("DROP TABLE orders")
    carry(source, how)
    carry(target, how)
    control_plane.environment |= {"OLD": source.url, "NEW": target.url}

    checked = control_plane.typed("check", "env:OLD", "env:NEW", "--sample", "0")
    moved = control_plane.typed("migrate", "env:OLD", "env:NEW", "--no-owners", "--yes", "--json")
    verified = control_plane.typed("verify", "env:OLD", "env:NEW")

    assert checked.exit_code in (0, 3), checked.everything
    assert moved.exit_code == 0, moved.everything
    assert verified.exit_code == 0, verified.everything
    assert json.loads(moved.stdout.splitlines()[-1])["report"]["copy"]["tables"] == 2
    query = "SELECT t, a::text, d::text, x::text, b::text, m::text FROM public.texts"
    assert target.ask(query) == source.ask(query)
