"""`changeover migrate` as a person types it: two servers that nobody told us about, and what happens to the source's writers."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import psycopg
import pytest
from tests.fix_control_plane import ControlPlane, Typed, wait_until
from tests.fix_provider import Elsewhere, Provider

ROWS = 100


@pytest.fixture
def source(provider: Provider) -> Elsewhere:
    """A shop: two tables, an index, a sequence, a view."""
    made = provider.database()
    with made.database.connect() as session:
        session.execute("ALTER TABLE orders ADD PRIMARY KEY (id)")
        session.execute("CREATE TABLE items (id serial PRIMARY KEY, order_id int REFERENCES orders, what text)")
        session.execute("INSERT INTO items (order_id, what) SELECT i, 'thing ' || i FROM generate_series(1, 100) AS i")
        session.execute("CREATE INDEX items_what ON items (what)")
        session.execute("CREATE VIEW recent AS SELECT * FROM orders WHERE id > 90")
    return made


@pytest.fixture
def target(provider: Provider) -> Elsewhere:
    """Empty."""
    made = provider.database()
    with made.database.connect() as session:
        session.execute("DROP TABLE orders")
    return made


@pytest.fixture
def migrate(control_plane: ControlPlane, source: Elsewhere, target: Elsewhere) -> Callable[..., Typed]:
    """Type it between these two, as roles of one owner each."""
    control_plane.environment["OLD"], control_plane.environment["NEW"] = source.url, target.url
    return lambda *words: control_plane.typed("migrate", "env:OLD", "env:NEW", "--no-owners", "--yes", *words)


def rows_of(there: Elsewhere, table: str) -> int:
    return int(there.ask(f"SELECT count(*) FROM public.{table}")[0][0])


def is_empty(there: Elsewhere) -> bool:
    found = there.ask(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE nspname NOT LIKE 'pg%' AND nspname NOT IN ('information_schema', '_heroku')"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')"
    )
    return int(found[0][0]) == 0


def can_write(there: Elsewhere) -> bool:
    with there.database.connect() as session:
        try:
            session.execute("INSERT INTO orders SELECT max(id) + 1 FROM orders")
        except psycopg.errors.ReadOnlySqlTransaction:
            return False
    return True


def test_a_database_arrives_whole(migrate: Callable[..., Typed], target: Elsewhere) -> None:
    done = migrate()

    assert done.exit_code == 0, done.everything
    assert rows_of(target, "orders") == rows_of(target, "items") == ROWS
    assert rows_of(target, "recent") == 10
    with target.database.connect() as session:
        session.execute("INSERT INTO items (order_id) VALUES (1)")  # the sequence goes on where the source's is
    assert target.ask("SELECT to_regnamespace('_changeover')") == [(None,)]
    assert "2 tables" in done.stdout


def test_a_source_held_read_only_stays_so_and_the_target_takes_its_place(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere, control_plane: ControlPlane
) -> None:
    with source.database.connect() as writer:
        done = migrate("--hold", "read-only")

        assert done.exit_code == 0, done.everything
        with pytest.raises(psycopg.OperationalError):
            writer.execute("INSERT INTO orders VALUES (1000)")
    assert not can_write(source)
    assert can_write(target)
    assert "all content compared: equal" in done.stdout
    assert "RESET default_transaction_read_only" in done.stdout


def test_one_row_less_is_found_by_verify(
    migrate: Callable[..., Typed], target: Elsewhere, control_plane: ControlPlane
) -> None:
    assert migrate().exit_code == 0
    with target.database.connect() as session:
        session.execute("DELETE FROM items WHERE id = 42")

    compared = control_plane.typed("verify", "env:OLD", "env:NEW")

    assert compared.exit_code == 1
    assert "items" in compared.stdout
    assert "42" in compared.stdout
    assert control_plane.typed("verify", "env:OLD", "env:NEW", "--counts").exit_code == 1


def test_a_target_that_is_not_empty_is_refused_and_left_alone(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere
) -> None:
    with target.database.connect() as session:
        session.execute("CREATE TABLE theirs (id int)")

    done = migrate("--hold", "read-only", "--json")

    error = json.loads(done.stdout.splitlines()[-1])
    assert (done.exit_code, error["id"]) == (1, "check_failed")
    assert "T2: The target is not empty" in error["why"]
    assert rows_of(target, "theirs") == 0
    assert can_write(source)


def test_commands_of_ones_own_hold_switch_and_release(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere, tmp_path: Path
) -> None:
    """The certificates are in files that are gone afterwards."""
    told = tmp_path / "told"
    command = tmp_path / "tell"
    command.write_text(
        f'#!/bin/sh\necho "$CHANGEOVER_PHASE $SOURCE_URL $TARGET_URL $CHANGEOVER_OUTCOME $*" >>{told}\n'
        f'for url in "$SOURCE_URL" "$TARGET_URL"; do\n'
        f'cat "$(echo "${{url##*=}}" | sed s,%2F,/,g)"; done >{tmp_path}/certificates\n'
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    words = ("hold", "switch", "release")

    done = migrate(*(part for word in words for part in (f"--on-{word}", f"{command} 'two words'")))

    assert done.exit_code == 0, done.everything
    lines = told.read_text()
    files = set(re.findall(r"(?<=sslrootcert=)\S+", lines))
    plain = [re.sub(r"(?<=sslrootcert=)\S+", "FILE", text) for text in (lines, f"{source.url} {target.url}")]
    assert plain[0].splitlines() == [
        f"hold {plain[1]}  two words",
        f"switch {plain[1]}  two words",
        f"release {plain[1]} done two words",
    ]
    assert (tmp_path / "certificates").read_text() == source.database.authority.read_text() * 2
    assert len(files) == 6
    assert not any(Path(unquote(file)).exists() for file in files)


def test_a_command_that_fails_changes_nothing_and_shows_no_password(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere, tmp_path: Path
) -> None:
    command = tmp_path / "fail"
    command.write_text('#!/bin/sh\necho "can not stop $SOURCE_URL"\nexit 3\n')
    command.chmod(0o755)

    done = migrate("--on-hold", str(command))

    assert done.exit_code == 1
    assert "exit code 3" in done.stderr
    assert "can not stop" in done.stderr
    assert str(source.location.password) not in done.everything
    assert is_empty(target)


def test_a_migration_called_off_leaves_both_sides_as_they_were(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere, control_plane: ControlPlane
) -> None:
    """It stops at an index that can't be built; the source is held meanwhile."""
    with source.database.connect() as session:
        session.execute("CREATE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 100 / ($1 - 50)'")
        session.execute("DELETE FROM items WHERE id = 50")
        session.execute("CREATE INDEX half_of_it ON items (half(id))")
        session.execute(
            "CREATE OR REPLACE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / ($1 - 51)'"
        )

    stopped = migrate("--hold", "read-only")

    assert stopped.exit_code == 1
    assert "half_of_it" in stopped.stderr
    assert not can_write(source)
    aborted = migrate("--hold", "read-only", "--abort")
    assert aborted.exit_code == 0, aborted.everything
    assert can_write(source)
    assert is_empty(target)


def test_what_was_mended_is_gone_on_with_by_the_same_command(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere
) -> None:
    """Writers are held, so what was copied counts although the snapshot is another."""
    with source.database.connect() as session:
        session.execute("CREATE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 100 / ($1 - 500)'")
        session.execute("CREATE INDEX half_of_it ON items (half(id))")
        session.execute(
            "CREATE OR REPLACE FUNCTION half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / ($1 - 51)'"
        )
    assert migrate("--hold", "read-only", "--verify", "counts").exit_code == 1
    [(first,)] = target.ask("SELECT 'public.items'::regclass::oid")

    target.ask("CREATE OR REPLACE FUNCTION public.half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'")
    done = migrate("--hold", "read-only", "--verify", "counts")

    assert "half" in done.everything
    assert rows_of(target, "items") == ROWS
    assert target.ask("SELECT 'public.items'::regclass::oid") == [(first,)]


def test_a_killed_worker_costs_nothing(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere, control_plane: ControlPlane
) -> None:
    with source.database.connect() as session:
        session.execute("CREATE TABLE big AS SELECT i, repeat('x', 500) AS t FROM generate_series(1, 60000) AS i")
    assert migrate("--detach").exit_code == 0
    wait_until(lambda: target.ask("SELECT to_regclass('_changeover.done')")[0][0], what="the copy to begin")
    control_plane.child("worker").kill()

    done = migrate()

    assert done.exit_code == 0, done.everything
    assert rows_of(target, "big") == 60000


def test_events_are_lines_of_json(migrate: Callable[..., Typed]) -> None:
    done = migrate("--json")

    assert done.exit_code == 0, done.everything
    *events, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"time", "id", "step", "phase", "says", "bytes_done", "bytes_per_s"} <= set.intersection(*map(set, events))
    assert {one["id"] for one in events} == {last["id"]}
    assert last["status"] == "done"
    assert last["report"]["copy"]["tables"] == 2


def test_a_failure_is_a_line_of_json_too(migrate: Callable[..., Typed], target: Elsewhere) -> None:
    target.ask("CREATE TABLE public.theirs (id int)")

    refused = migrate("--json")

    assert refused.exit_code == 1
    assert json.loads(refused.stdout.splitlines()[-1])["id"] == "check_failed"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("postgres://u@h/d", "postgres://u@h/d", "--yes"), "same database"),
        (("http://h/d", "postgres://u@h/d", "--yes"), "Invalid PostgreSQL address"),
        (("postgres://u:hunter2@h:x/d", "postgres://u@h/d", "--yes"), "can't be parsed"),
        (("env:NOWHERE", "postgres://u@h/d"), "this variable is not set"),
        (("postgres://u@h/d", "postgres://u@h/e", "--hold", "tight"), "--hold can't be"),
        (
            ("postgres://u@h/d", "postgres://u@h/e", "--hold", "pgbouncer:postgres://p@h/pgbouncer", "--yes"),
            "--on-switch",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_without_a_secret(
    control_plane: ControlPlane, words: tuple[str, ...], says: str
) -> None:
    refused = control_plane.typed("migrate", *words)

    assert refused.exit_code in (1, 2)
    assert says in refused.stderr
    assert "hunter2" not in refused.everything


@pytest.mark.parametrize("as_one_role", [True, False])
def test_between_two_databases_of_one_server_a_migration_never_ends_its_other_side(
    control_plane: ControlPlane, source: Elsewhere, target: Elsewhere, as_one_role: bool
) -> None:
    """Both sides then have the same server, the same role and the same application name."""
    owner = source.database.owner
    if as_one_role:
        target.ask(f"GRANT {target.database.owner.user} TO {owner.user}")
        target.ask(f"ALTER DATABASE {target.database.name} OWNER TO {owner.user}")
        target.ask(f"ALTER SCHEMA public OWNER TO {owner.user}")
        target = replace(target, database=replace(target.database, owner=owner))
    control_plane.environment |= {"OLD": source.url, "NEW": target.url}

    done = control_plane.typed("migrate", "env:OLD", "env:NEW", "--no-owners", "--yes")

    assert done.exit_code == 0, done.everything
    assert rows_of(target, "orders") == rows_of(source, "orders") == ROWS
    checked = control_plane.typed("verify", "env:OLD", "env:NEW")
    assert checked.exit_code == 0, checked.everything


def test_two_migrations_from_one_database_do_not_end_each_other(
    control_plane: ControlPlane, source: Elsewhere, provider: Provider
) -> None:
    targets = [provider.database(), provider.database()]
    for one in targets:
        one.ask("DROP TABLE public.orders")
    control_plane.environment |= {"OLD": source.url, "FIRST": targets[0].url, "SECOND": targets[1].url}
    first = control_plane.typed("migrate", "env:OLD", "env:FIRST", "--no-owners", "--yes", "--detach")
    second = control_plane.typed("migrate", "env:OLD", "env:SECOND", "--no-owners", "--yes")

    assert (first.exit_code, second.exit_code) == (0, 0), first.everything + second.everything
    wait_until(lambda: rows_of(targets[0], "orders") == ROWS, what="the first one's rows")
