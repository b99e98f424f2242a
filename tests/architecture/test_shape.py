"""How the code is cut: small files, short functions, one reader of the environment, nobody else's addresses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.architecture.tracked import PACKAGE, ROOT, modules, text_of, tracked_files

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_fits_in_400_lines_and_says_what_lives_in_it(path: Path) -> None:
    source = text_of(path)

    assert source.count("\n") <= 400
    assert not source.strip() or ast.get_docstring(ast.parse(source))


def test_nine_functions_in_ten_stay_under_35_lines_and_few_pass_50() -> None:
    lengths = {name: length for path in modules() for name, length in functions(path)}
    over_50 = [name for name, length in lengths.items() if length > 50]

    assert len(over_50) <= 0.04 * len(lengths), over_50
    assert sum(length > 35 for length in lengths.values()) <= 0.1 * len(lengths)


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, Function) and node.end_lineno:
            yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_settings_reads_the_environment(path: Path) -> None:
    """Handing the whole environment on to a child is not reading it; the demo's shop is an app, and has config vars."""
    reads = re.findall(r"os\.getenv|os\.environ(?:\[|\.get|\.items|\.pop| *\bin\b)|\bin os\.environ", text_of(path))

    assert not reads or path == PACKAGE / "settings.py" or path.is_relative_to(PACKAGE / "demo/shop")


FOREIGN = {
    "a registry's address": re.compile(
        r"^\s*(?:-i|--(?:extra-)?index-url|--find-links)\b|\"resolved\": \"", re.MULTILINE
    ),
    "somebody's folder": re.compile(r"(?<![\w.$}~])/(?:work|root|home/[a-z]+)/"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_no_file_names(kind: str) -> None:
    """A clone must work on any machine, from any mirror of the registries."""
    named = {
        f"{path.relative_to(ROOT)}: {found.group()!r}"
        for path in tracked_files()
        if (found := FOREIGN[kind].search(text_of(path)))
    }

    assert not named


def test_nothing_is_left_to_do_in_the_code() -> None:
    marks = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")

    assert not [
        str(path) for path in tracked_files() if path.suffix in {".py", ".sql", ".md"} and marks.search(text_of(path))
    ]
