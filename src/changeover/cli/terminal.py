"""Terminal output: colors, headers, rows, tables, actions that end in "done", warnings.

The formats are those of the official CLI, because users and their scripts know them. Color codes are always written
and removed if the stream is not a terminal.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TextIO

_PAINT = re.compile(r"\x1b\[[0-9;]*m(?:[⬢⛁⬡] )?")
_STYLES = {
    "app": "38;5;147m⬢ ",
    "datastore": "38;5;185m⛁ ",
    "space": "38;5;117m⬡ ",
    "addon": "38;5;185m",
    "attachment": "38;5;220m",
    "name": "38;5;212m",
    "good": "38;5;40m",
    "bad": "31m",
    "caution": "38;5;214m",
    "quiet": "38;5;248m",
    "info": "38;5;43m",
    "label": "1m",
    "code": "1m",
}


def paint(style: str, text: object) -> str:
    """`text` in color, with a glyph for apps, datastores and spaces."""
    return f"\x1b[{_STYLES[style]}{text}\x1b[0m"


def plain(text: str) -> str:
    return _PAINT.sub("", text)


def is_colourful(stream: TextIO) -> bool:
    return _Colours.are_wanted and stream.isatty()


def want_colours(are_wanted: bool) -> None:
    """Whether terminals get colors at all (NO_COLOR disables them)."""
    _Colours.are_wanted = are_wanted


class _Colours:
    are_wanted = True


def is_interactive() -> bool:
    """Whether a user can answer prompts."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def say(text: str = "") -> None:
    _write(sys.stdout, text + "\n")


def mention(text: str = "") -> None:
    """On stderr, for users instead of programs."""
    _write(sys.stderr, text + "\n")


def warn(text: str) -> None:
    """A warning on stderr. During an action, after its end."""
    if _Held.depth:
        _Held.warnings.append(text)
        return
    first, *rest = text.splitlines() or [""]
    mention(f" {paint('caution', '▸')}    {paint('caution', 'Warning:')} {first}")
    for line in rest:
        mention(f" {paint('caution', '▸')}    {line}")


class _Json:
    indent: int | None = 2


def want_json_lines(wanted: bool = True) -> None:
    """From now on, print each JSON value and failure on one line, for commands that print events."""
    _Json.indent = None if wanted else 2


def print_json(value: Any) -> None:
    say(json.dumps(value, indent=_Json.indent, ensure_ascii=False))


def header(text: str) -> None:
    say(f"{paint('label', '===')} {text}\n")


def rows(values: Mapping[str, Any]) -> None:
    """One aligned `Name: value` per line. A list has one line per element. None and empty lists are left out."""
    shown = {name: value for name, value in values.items() if value is not None and value != []}
    width = max((len(plain(name)) for name in shown), default=0) + 2
    for name, value in shown.items():
        lines = [text_of(item) for item in value] if isinstance(value, list) else [text_of(value)]
        say(paint("label", name) + ":" + " " * (width - len(plain(name)) - 1) + lines[0])
        for line in lines[1:]:
            say(" " * width + line)


def text_of(value: Any) -> str:
    """A value in the official CLI's format."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {text_of(item)}" for key, item in value.items())
    return str(value)


def one_line(text: str) -> str:
    """Replaces control characters, because names come from unknown servers and must not move the cursor."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


@dataclass(frozen=True)
class Column:
    """A table column: heading, and a function from item to cell (by default the field of the same name)."""

    title: str
    cell: Callable[[Any], str]


def table(items: Iterable[Any], columns: Sequence[Column]) -> None:
    """Headings, a line, one row per item (cells may have several lines), an empty line."""
    grid = [[column.cell(item).split("\n") for column in columns] for item in items]
    titles = [column.title for column in columns]
    widths = [
        max([len(title), *(len(plain(line)) for row in grid for line in row[index])])
        for index, title in enumerate(titles)
    ]
    say(_line([paint("label", title) for title in titles], widths))
    say(" " + "─" * (sum(widths) + 3 * len(widths) - 1))
    for row in grid:
        for number in range(max(len(cell) for cell in row)):
            say(_line([cell[number] if number < len(cell) else "" for cell in row], widths))
    say()


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (width - len(plain(cell))) for cell, width in zip(cells, widths, strict=True))
    return ("  " + "   ".join(padded)).rstrip()


class _Held:
    depth = 0
    warnings: ClassVar[list[str]] = []


@contextmanager
def warnings_held() -> Iterator[None]:
    """Delay warnings until the current output is complete."""
    _Held.depth += 1
    try:
        yield
    finally:
        _Held.depth -= 1
        if not _Held.depth:
            held, _Held.warnings = _Held.warnings, []
            for text in held:
                warn(text)


class Action:
    """An action in progress, on stderr. `says` is its result."""

    def __init__(self, text: str) -> None:
        self.text, self.says = text, "done"


@contextmanager
def action(text: str) -> Iterator[Action]:
    """Prints `text... done` on stderr, or `!` on failure."""
    doing = Action(text)
    with warnings_held():
        _write(sys.stderr, f"{text}... ")
        try:
            yield doing
        except BaseException:
            mention(paint("bad", "!"))
            raise
        mention(doing.says)


def shell_quote(text: str) -> str:
    """`text` quoted for a POSIX shell, like the official CLI prints config vars."""
    if not re.search(r"""["\s#!$&'()*,:;<=>?@\[\\\]^`{|}]""", text):
        return text
    if "'" in text or "\n" in text:
        return '"' + re.sub(r'(["\\$`!])', r"\\\1", text).replace("\n", "\\n") + '"'
    return f"'{text}'"


def _write(stream: TextIO, text: str) -> None:
    stream.write(text if is_colourful(stream) else plain(text))
    stream.flush()
