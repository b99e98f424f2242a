"""Our schema and the statements on it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.fix_state import StateDatabase

import changeover.store
from changeover.runs.job_tables import install_job_tables
from changeover.store.migrate import migrate

SOURCES = Path(changeover.store.__file__).parents[1]
STATEMENTS = [
    f"{file.stem}.{name}"
    for file in sorted((SOURCES / "store/sql").glob("*.sql"))
    for name in re.findall(r"^-- name: (\w+)$", file.read_text(), re.MULTILINE)
]


def test_every_statement_has_somebody_who_uses_it() -> None:
    code = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))
    named = set(re.findall(r'"(\w+\.\w+)"', code)) | {
        f"runs.{name}" for name in re.findall(r'_change\(run, "(\w+)"', code)
    }

    assert [name for name in STATEMENTS if name not in named] == []


def test_migrating_again_changes_nothing(state_database: StateDatabase) -> None:
    tables = (
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema IN ('public', 'procrastinate') ORDER BY 1, 2, 3"
    )
    before = state_database.look(tables)

    migrate(state_database.state.conninfo)
    install_job_tables(state_database.state.conninfo)
    migrate(state_database.state.conninfo)

    after = [column for column in state_database.look(tables) if column[0] == "public"]
    assert after == [column for column in before if column[0] == "public"]


def test_every_migration_says_what_it_is_for() -> None:
    for file in (SOURCES / "store/migrations").glob("*.sql"):
        assert re.fullmatch(r"\d{4}\.[\w-]+\.sql", file.name)
        assert file.read_text().startswith("-- ")
