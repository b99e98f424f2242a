"""The index tells the truth about every command, and lets help and completion import nothing."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import click
import pytest
from tests.cli.plane import TOKEN, Plane

from changeover.cli.index import ALIASES, INDEX, TOPICS


@pytest.mark.parametrize("name", INDEX)
def test_every_command_is_where_the_index_says_and_can_print_json(name: str) -> None:
    entry = INDEX[name]
    command = getattr(importlib.import_module(f"changeover.cli.{entry.module}"), entry.attribute)

    assert isinstance(command, click.Command)
    assert any("--json" in parameter.opts for parameter in command.params)
    assert entry.topic in TOPICS
    assert entry.help.endswith(".")


def test_every_alias_leads_to_a_command_and_hides_none() -> None:
    assert set(ALIASES.values()) <= set(INDEX)
    assert not set(ALIASES) & set(INDEX)


def modules_after(*words: str, **env: str) -> set[str]:
    """What the CLI's process has imported once it has run `words`."""
    program = (
        "import sys; from changeover.cli.program import exit_code_of; code = exit_code_of(sys.argv[1:])\n"
        "print('\\n'.join(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stderr.splitlines())


def test_help_and_an_unspelled_command_line_import_no_command_and_no_http() -> None:
    imported = modules_after("--help")

    assert not imported & {"http.client", "changeover.client", "rich", "questionary"}
    assert not {f"changeover.cli.{entry.module}" for entry in INDEX.values()} & imported


@pytest.mark.parametrize(("name", "module"), [("pg:info", "pg"), ("ps", "ps"), ("maintenance", "maintenance")])
def test_a_command_imports_nothing_that_costs_more_than_itself(plane: Plane, name: str, module: str) -> None:
    plane.answers["GET /apps/shop/dynos"] = []
    imported = modules_after(name, "--app", "shop", CHANGEOVER_URL=plane.url, CHANGEOVER_API_KEY=TOKEN)

    assert f"changeover.cli.{module}" in imported
    assert not imported & {"rich", "questionary", "pydantic", "psycopg", "fastapi", "asyncio", "changeover.cli.addons"}
