"""The README's walk of five minutes, typed as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from tests.fix_control_plane import ControlPlane

README = Path(__file__).resolve().parents[2] / "README.md"


def walk() -> list[list[str]]:
    """The arguments of each of our commands in the walk, but for `server`, which runs all the while."""
    section = README.read_text().partition("## A five-minute tour")[2].partition("\n## ")[0]
    typed = [shlex.split(line) for line in re.findall(r"^bin/changeover (.+)$", section, re.MULTILINE)]
    return [words for words in typed if words != ["server"]]


def test_the_walk_of_the_readme_can_be_walked(own_plane: ControlPlane) -> None:
    said = [own_plane.must(*words).everything for words in walk()]

    assert any("Behind By:" in text for text in said)
    assert any(re.search(r"1000\W+f\b", text) for text in said)
