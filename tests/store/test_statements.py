"""Our schema and the statements on it."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.fix_state import StateDatabase

import changeover.store
from changeover.runs.job_tables import install_job_tables
from changeover.store.migrate import migrate
from changeover.store.query import reading, statement

SOURCES = Path(changeover.store.__file__).parents[1]
STATEMENTS = [
    f"{file.stem}.{name}"
    for file in sorted((SOURCES / "store/sql").glob("*.sql"))
    for name in re.findall(r"^-- name: (\w+)$", file.read_text(), re.MULTILINE)
]


def calls() -> Iterator[tuple[str, str]]:
    """Each call of query.*: the name of its row class or "", and the statement. `_change` of the driver reads RunRow."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            strings = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            called = ast.unparse(node.func)
            if called in ("query.one", "query.only", "query.rows") and strings:
                yield ast.unparse(node.args[1]), strings[0]
            elif called in ("query.values", "query.execute") and strings:
                yield "", strings[0]
            elif called == "_change" and path.parent.name == "runs":
                yield "RunRow", f"runs.{strings[0]}"


def numbered(text: str) -> str:
    """The statement with PostgreSQL's own parameters, $1 and so on."""
    numbers: dict[str, int] = {}
    return re.sub(r"%\((\w+)\)s", lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", text)


def row_class(name: str) -> type[Any]:
    """The dataclass of that name, wherever it is; one of the store before any other."""
    for path in sorted(SOURCES.rglob("*.py"), key=lambda path: (path.parent != SOURCES / "store", path)):
        if f"class {name}:" in path.read_text():
            module = importlib.import_module(".".join(path.relative_to(SOURCES.parent).with_suffix("").parts))
            found = getattr(module, name)
            assert inspect.isclass(found)
            return found
    raise LookupError(name)


def test_every_statement_has_somebody_who_uses_it() -> None:
    code = "\n".join(path.read_text() for path in SOURCES.rglob("*.py"))
    named = set(re.findall(r'"(\w+\.\w+)"', code)) | {
        f"runs.{name}" for name in re.findall(r'_change\(run, "(\w+)"', code)
    }

    assert [name for name in STATEMENTS if name not in named] == []


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_columns_that_it_does_not_name(name: str) -> None:
    found = re.search(r"(SELECT|DISTINCT|RETURNING|,)\s+(\w+\.)?\*", statement(name))

    assert found is None, f"{name} says {found and found[0]}: write {{columns}} (store/query.py)"


def test_every_statement_returns_exactly_the_fields_of_its_row_class(state_database: StateDatabase) -> None:
    wrong = []
    with psycopg.connect(make_conninfo(**state_database.state.conninfo), autocommit=True) as db:
        for cls, name in sorted(set(calls())):
            text = reading(row_class(cls), name) if cls else statement(name)
            prepared = db.pgconn.prepare(b"", numbered(text).replace("%%", "%").encode())
            described = db.pgconn.describe_prepared(b"")
            columns = sorted((described.fname(at) or b"").decode() for at in range(described.nfields))
            if prepared.error_message:
                wrong.append((name, prepared.error_message.decode()))
            elif cls and columns != sorted(field.name for field in dataclasses.fields(row_class(cls))):
                wrong.append((name, f"{cls} from {columns}"))
    assert wrong == []


def test_migrating_again_changes_nothing(state_database: StateDatabase) -> None:
    tables = (
        "SELECT table_schema, table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema IN ('public', 'state', 'procrastinate') ORDER BY 1, 2, 3"
    )
    before = state_database.look(tables)

    migrate(state_database.state.conninfo)
    install_job_tables(state_database.state.conninfo)
    migrate(state_database.state.conninfo)

    after = [column for column in state_database.look(tables) if column[0] != "procrastinate"]
    assert after == [column for column in before if column[0] != "procrastinate"]


def test_every_table_of_ours_is_in_the_schema_that_the_previous_version_does_not_read(
    state_database: StateDatabase,
) -> None:
    left = state_database.look(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '%yoyo%' ORDER BY 1"
    )

    assert left == []


def test_every_migration_says_what_it_is_for() -> None:
    for file in (SOURCES / "store/migrations").glob("*.sql"):
        assert re.fullmatch(r"\d{4}\.[\w-]+\.sql", file.name)
        assert file.read_text().startswith("-- ")
