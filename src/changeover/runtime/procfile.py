"""A Procfile's text: which types of processes an app has, and the command of each. Reads no file."""

from __future__ import annotations

import re

from changeover.errors import BadProcfile

LINE = re.compile(r"(?P<type>[A-Za-z0-9_-]+)[ \t]*:[ \t]*(?P<command>.*)")
LONGEST_TYPE, LONGEST_COMMAND, MOST_TYPES = 30, 10_000, 100


def parse_procfile(text: str) -> dict[str, str]:
    """Type → command, in the file's order. Raises BadProcfile, with the number of the line.

    Empty lines and lines that begin with # mean nothing.
    """
    commands: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        kind, command = _parse_line(line, number)
        if kind in commands:
            raise BadProcfile(number, f"The process type {kind} stands there twice.")
        commands[kind] = command
    if not commands:
        raise BadProcfile(None, "It names no process type.")
    if len(commands) > MOST_TYPES:
        raise BadProcfile(None, f"It names {len(commands)} process types; {MOST_TYPES} are the most.")
    return commands


def _parse_line(line: str, number: int) -> tuple[str, str]:
    found = LINE.fullmatch(line)
    if found is None:
        raise BadProcfile(number, "It is not of the form TYPE: COMMAND, with a type of letters, digits, _ and -.")
    kind, command = found["type"], found["command"].strip()
    if len(kind) > LONGEST_TYPE:
        raise BadProcfile(number, f"The process type is longer than {LONGEST_TYPE} characters.")
    if not command:
        raise BadProcfile(number, f"The process type {kind} has no command.")
    if "\0" in command or len(command) > LONGEST_COMMAND:
        raise BadProcfile(number, f"The command has a zero byte, or more than {LONGEST_COMMAND} characters.")
    return kind, command
