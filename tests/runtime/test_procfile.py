"""What a Procfile says, and what is none."""

from __future__ import annotations

import pytest

from changeover.errors import BadProcfile
from changeover.runtime.procfile import parse_procfile


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("web: python app.py\nworker:  python worker.py -v  \n", {"web": "python app.py", "worker": "python worker.py -v"}),
        ("# comment\r\n\r\nrelease: bin/migrate && echo 'a: b'\r\n", {"release": "bin/migrate && echo 'a: b'"}),
        ("\ufeffweb : run\nurgent-mail_2: x", {"web": "run", "urgent-mail_2": "x"}),
    ],
)  # fmt: skip
def test_each_line_is_a_type_and_its_command(text: str, commands: dict[str, str]) -> None:
    parsed = parse_procfile(text)

    assert parsed == commands
    assert list(parsed) == list(commands)


@pytest.mark.parametrize(
    ("text", "what", "why"),
    [
        ("", "Invalid Procfile.", "no process type"),
        ("# nothing\n", "Invalid Procfile.", "no process type"),
        ("web: a\npython app.py\n", "Line 2", "TYPE: COMMAND"),
        ("web:\n", "Line 1", "has no command"),
        ("web: a\nweb: b\n", "Line 2", "twice"),
        ("wéb: a", "Line 1", "TYPE: COMMAND"),
        ("<html>: a", "Line 1", "TYPE: COMMAND"),
        ("web: a\0b", "Line 1", "NUL byte"),
        (f"{'w' * 31}: a", "Line 1", "longer"),
    ],
)
def test_what_is_none_is_told_with_the_line(text: str, what: str, why: str) -> None:
    with pytest.raises(BadProcfile) as refusal:
        parse_procfile(text)

    assert what in refusal.value.what
    assert why in refusal.value.why
