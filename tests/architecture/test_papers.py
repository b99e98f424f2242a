"""The papers tell the truth: each error, setting, command and package is documented, and what is documented exists."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.architecture.tracked import PACKAGE, ROOT, pages, text_of

from changeover import errors
from changeover.cli.index import ALIASES, INDEX
from changeover.errors import ChangeoverError

for family in pkgutil.iter_modules(errors.__path__):
    importlib.import_module(f"{errors.__name__}.{family.name}")


def error_classes(of: type[ChangeoverError] = ChangeoverError) -> Iterator[type[ChangeoverError]]:
    for kind in of.__subclasses__():
        if kind.__module__.partition(".errors")[0] == "changeover":
            yield kind
            yield from error_classes(kind)


def table_keys(page: str) -> set[str]:
    """What stands in back quotes in the first column of a page's tables."""
    rows = [line for line in text_of(ROOT / page).splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row.split("|")[1])}


def test_every_error_id_is_explained() -> None:
    ids = {kind.id for kind in error_classes()} - {ChangeoverError.id}

    assert table_keys("docs/errors.md") == ids


def test_every_error_class_has_its_place_in_the_tree_at_the_top_of_its_file() -> None:
    tree = set(re.findall(r"\w+", errors.__doc__ or ""))

    assert {kind.__name__ for kind in error_classes() if kind.__module__ == errors.__name__} <= tree


def test_every_setting_is_explained() -> None:
    read = set(re.findall(r"\b(?:CHANGEOVER|HEROKU)_[A-Z_]+[A-Z]", text_of(PACKAGE / "settings.py")))

    assert read == {name for name in table_keys("docs/operations.md") if name.startswith(("CHANGEOVER_", "HEROKU_"))}


def test_every_command_is_listed() -> None:
    assert {name.split()[0] for name in table_keys("docs/commands.md")} == set(INDEX)


def commands_in(page: Path) -> set[str]:
    """The commands of ours that a page's code shows, in blocks and in back quotes."""
    blocks = re.findall(r"^```\n(.*?)^```", text_of(page), re.MULTILINE | re.DOTALL)
    code = [*(line for block in blocks for line in block.splitlines()), *re.findall(r"`([^`\n]+)`", text_of(page))]
    shown = [found[1] for line in code if (found := re.match(r"(?:bin/)?changeover ([a-z][a-z:-]*)", line.strip()))]
    return set(shown) - {"is"}  # what the server says: changeover is ready


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_shows_only_commands_that_exist(page: Path) -> None:
    assert commands_in(page) <= set(INDEX) | set(ALIASES)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_links_only_to_files_that_exist(page: Path) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text_of(page)) if "://" not in target]

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_architecture_page_names_every_package() -> None:
    named = text_of(ROOT / "ARCHITECTURE.md")
    parts = [path for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()]

    assert [path.name for path in parts if f"{path.name}/" not in named] == []


def test_the_glossary_is_in_order_and_says_each_word_once() -> None:
    words = re.findall(r"^\*\*(.+?)\*\*", text_of(ROOT / "docs/glossary.md"), re.MULTILINE)

    assert words
    assert words == sorted(set(words), key=str.casefold)
