"""How the transcripts of the official CLI are read."""

from __future__ import annotations

from tests.official_cli.official import Ended, normal


def test_glyphs_colours_and_runs_of_spaces_do_not_count() -> None:
    assert normal("\x1b[32m⬢ app\x1b[39m...   done\n ›   Warning: ⛁ x") == "app... done\nWarning: x"


def test_a_row_is_found_by_its_name() -> None:
    ended = Ended("pg:info", 0, "=== DATABASE_URL\nBehind By: 0 commits", "")

    assert ended.row("Behind By") == "0 commits"
    assert ended.row("Following") is None
