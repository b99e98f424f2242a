"""Parses a Procfile: an app's process types and their commands. Reads no file."""

from __future__ import annotations

import re

from changeover.errors import BadProcfile

LINE = re.compile(r"(?P<type>[A-Za-z0-9_-]+)[ \t]*:[ \t]*(?P<command>.*)")
LONGEST_TYPE, LONGEST_COMMAND, MOST_TYPES = 30, 10_000, 100


def parse_procfile(text: str) -> dict[str, str]:
    """Type → command, in the file's order. Raises BadProcfile with the line number.

    Ignores empty lines and lines that begin with #.
    """
    commands: dict[str, str] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        kind, command = _parse_line(line, number)
        if kind in commands:
            raise BadProcfile(number, f"The process type {kind} is defined twice.")
        commands[kind] = command
    if not commands:
        raise BadProcfile(None, "It defines no process type.")
    if len(commands) > MOST_TYPES:
        raise BadProcfile(None, f"It defines {len(commands)} process types; at most {MOST_TYPES} are allowed.")
    return commands


def _parse_line(line: str, number: int) -> tuple[str, str]:
    found = LINE.fullmatch(line)
    if found is None:
        raise BadProcfile(number, "It must have the form TYPE: COMMAND. A type consists of letters, digits, _ and -.")
    kind, command = found["type"], found["command"].strip()
    if len(kind) > LONGEST_TYPE:
        raise BadProcfile(number, f"The process type is longer than {LONGEST_TYPE} characters.")
    if not command:
        raise BadProcfile(number, f"The process type {kind} has no command.")
    if "\0" in command or len(command) > LONGEST_COMMAND:
        raise BadProcfile(number, f"The command contains a NUL byte or is longer than {LONGEST_COMMAND} characters.")
    return kind, command
