"""Whole commands with everything that they print: one file each in transcripts/, replayed against one app with a database.

To take a changed output over, run `python -m tests.cli.test_transcripts` and read the difference.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import tempfile
from pathlib import Path

import pytest
from tests.cli.plane import TOKEN, Plane, running_plane, shop

from changeover.cli.program import exit_code_of

FILES = sorted((Path(__file__).resolve().parent / "transcripts").glob("*.txt"))
PROMPT = "$ changeover "


def replayed(command: str) -> str:
    """The transcript of `command` as it is now."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = exit_code_of(shlex.split(command))
    parts = [f"{PROMPT}{command}", out.getvalue(), "--- stderr", err.getvalue(), f"--- exit {code}"]
    return "\n".join(part.rstrip("\n") for part in parts if part) + "\n"


def command_of(file: Path) -> str:
    return file.read_text().splitlines()[0].removeprefix(PROMPT)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_command_prints_what_its_transcript_says(
    file: Path, plane: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert replayed(command_of(file)) == file.read_text()


def take_over() -> None:
    """Write every transcript anew."""
    with running_plane() as plane, tempfile.TemporaryDirectory() as no_checkout:
        os.chdir(no_checkout)
        os.environ.update(CHANGEOVER_URL=plane.url, CHANGEOVER_API_KEY=TOKEN)
        for file in FILES:
            plane.answers = shop()
            file.write_text(replayed(command_of(file)))


if __name__ == "__main__":
    take_over()
