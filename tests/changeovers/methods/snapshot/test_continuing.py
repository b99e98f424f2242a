"""The same command once more: it goes on, with what can still change, or shows what was done. And what `--abort` leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from tests.changeovers.methods.snapshot.test_migrate import ROWS, can_write, is_empty, migrate, rows_of, source, target
from tests.fix_control_plane import ControlPlane, Typed
from tests.fix_provider import Elsewhere

from changeover.postgres.configuration import SUPERUSER

__all__ = ["migrate", "source", "target"]


@pytest.fixture
def stopped(migrate: Callable[..., Typed], source: Elsewhere) -> Typed:
    """A held migration that stopped at an index whose function fails by now."""
    source.ask("CREATE FUNCTION public.half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 100 / ($1 - 500)'")
    source.ask("CREATE INDEX half_of_it ON public.items (public.half(id))")
    source.ask(
        "CREATE OR REPLACE FUNCTION public.half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1 / ($1 - 51)'"
    )
    return migrate("--hold", "read-only")


def mend(target: Elsewhere) -> None:
    target.ask("CREATE OR REPLACE FUNCTION public.half(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 1'")


def test_a_held_migration_that_stops_says_since_when_writers_wait_and_what_to_do(
    stopped: Typed, control_plane: ControlPlane
) -> None:
    assert stopped.exit_code == 1
    assert "The source's writers have been held since 20" in stopped.stderr
    assert "The same command continues from here. With --abort they write again" in stopped.stderr
    number = str(control_plane.must("migrations", "--json").json[0]["id"])
    assert "held since 20" in control_plane.must("changeovers:info", number).stdout
    assert "the same `changeover migrate` command" in control_plane.typed("changeovers:resume", number).stderr


def test_options_given_with_the_repeated_command_take_effect(
    stopped: Typed, migrate: Callable[..., Typed], target: Elsewhere
) -> None:
    mend(target)

    differs = migrate()
    assert differs.exit_code == 1  # the function is another one there
    done = migrate("--verify", "none", "--json")

    assert done.exit_code == 0, done.everything
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["options"]["verify"] == "none"
    assert [json.loads(line)["id"] for line in migrate("--json").stdout.splitlines()] == [last["id"]]
    assert rows_of(target, "items") == ROWS


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--hold", "none"), "--hold"),
        (("--ignore", "S9"), "--ignore"),
        (("--on-hold", "true"), "--hold, --on-hold"),
    ],
)
def test_options_whose_time_is_over_are_refused(
    stopped: Typed, migrate: Callable[..., Typed], words: tuple[str, ...], named: str
) -> None:
    refused = migrate(*words)

    assert refused.exit_code == 1
    assert f"these options can't change any more: {named}." in refused.stderr


def test_what_an_abort_cannot_put_back_is_named_and_makes_it_fail(
    stopped: Typed, migrate: Callable[..., Typed], source: Elsewhere, control_plane: ControlPlane
) -> None:
    source.ask(f"ALTER ROLE {source.database.owner.user} NOLOGIN")

    aborted = migrate("--abort")

    source.ask(f"ALTER ROLE {source.database.owner.user} LOGIN")
    assert aborted.exit_code == 1
    assert "the source's writers are still held" in aborted.stdout
    assert "not all put back" in aborted.stdout
    listed = control_plane.must("migrations", "--json").json
    assert listed[0]["report"]["left"]


def test_what_can_not_be_tidied_up_is_said_and_the_same_command_ends_the_migration(
    migrate: Callable[..., Typed], target: Elsewhere, tmp_path: Path
) -> None:
    server, name = target.database.server, target.database.name
    take = tmp_path / "take"
    take.write_text(
        f"#!/bin/sh\npsql -h {server.socket_directory} -p {server.port} -U {SUPERUSER} -d {name} "
        f"-c 'ALTER SCHEMA _changeover OWNER TO {SUPERUSER}'\n"
    )
    take.chmod(0o755)

    stopped = migrate("--hold", "read-only", "--on-switch", str(take))
    target.ask("DROP SCHEMA _changeover CASCADE")
    done = migrate("--hold", "read-only", "--on-switch", str(take))

    assert stopped.exit_code == 1
    assert "Everything is moved, but" in stopped.stderr
    assert "DROP SCHEMA _changeover CASCADE" in stopped.stderr
    assert done.exit_code == 0, done.everything


def test_an_abort_puts_all_back_and_says_so(
    stopped: Typed, migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere
) -> None:
    with source.database.connect() as began_during_the_hold:
        aborted = migrate("--abort")
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):  # it could never have written
            began_during_the_hold.execute("SELECT 1")

    assert aborted.exit_code == 0, aborted.everything
    assert "aborted, all put back" in aborted.stdout
    assert "Failed" not in aborted.stdout
    assert can_write(source)
    assert is_empty(target)


def test_after_its_end_the_same_command_shows_the_report_until_the_target_is_emptied(
    migrate: Callable[..., Typed], target: Elsewhere, control_plane: ControlPlane
) -> None:
    first = migrate("--json")
    assert first.exit_code == 0, first.everything
    number = json.loads(first.stdout.splitlines()[-1])["id"]

    again = migrate()

    assert again.exit_code == 0, again.everything
    assert f"Migration {number}: done" in again.stdout
    assert "2 tables" in again.stdout
    assert re.search(rf"public\.orders +{ROWS} ", again.stdout)
    assert "is no longer empty" in again.stderr
    assert f"Migration {number}: done" in control_plane.must("migrations:info", str(number)).stdout
    assert f"Migration {number}: done" in control_plane.must("changeovers:info", str(number)).stdout
    assert str(number) in control_plane.must("migrations").stdout
    target.ask("DROP VIEW public.recent; DROP TABLE public.items, public.orders")
    assert f"Migration {number}: done" not in migrate().stdout
    assert rows_of(target, "orders") == ROWS


@pytest.mark.parametrize(
    ("words", "says"),
    [((), "is NOT moved"), (("--hold", "read-only"), "can't write to the source from then on")],
)
def test_the_plan_says_what_would_be_done_and_changes_nothing(
    migrate: Callable[..., Typed], source: Elsewhere, target: Elsewhere, words: tuple[str, ...], says: str
) -> None:
    planned = migrate("--plan", *words)

    assert planned.exit_code in (0, 3), planned.everything
    assert says in planned.stdout
    assert "Downtime:" in planned.stdout
    assert "no roles and rights are brought" in planned.stdout
    assert is_empty(target)
    assert can_write(source)
