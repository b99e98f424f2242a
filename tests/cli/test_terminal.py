"""How things look, and that what looks good on a terminal is plain anywhere else."""

from __future__ import annotations

import io

import pytest

from changeover.cli import terminal
from changeover.cli.config import parse_listing
from changeover.cli.terminal import Column, action, paint, plain, rows, shell_quote, table


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_and_glyphs_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    on_terminal, in_file = Tty(), io.StringIO()
    for stream in (on_terminal, in_file):
        monkeypatch.setattr("sys.stdout", stream)
        terminal.say(paint("app", "shop"))

    assert "⬢ shop" in on_terminal.getvalue()
    assert in_file.getvalue() == "shop\n"


def test_no_colours_where_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", stream := Tty())
    terminal.want_colours(False)
    terminal.say(paint("bad", "x"))
    terminal.want_colours(True)

    assert stream.getvalue() == "x\n"


def test_plain_leaves_other_peoples_glyphs_alone() -> None:
    assert plain(paint("name", "a ⬢ b")) == "a ⬢ b"


def test_a_table_is_aligned_by_what_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    table(["a", "long"], [Column("Name", lambda item: paint("app", item)), Column("Two", lambda item: f"{item}\n└─ x")])

    assert capsys.readouterr().out.splitlines() == [
        "  Name   Two",
        " " + "─" * 13,
        "  a      a",
        "         └─ x",
        "  long   long",
        "         └─ x",
        "",
    ]


def test_rows_leave_out_what_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    rows({"A": 1, "Long": ["x", "y"], "None": None, "Empty": [], "No": False})

    assert capsys.readouterr().out == "A:    1\nLong: x\n      y\nNo:   false\n"


def test_an_action_that_fails_ends_in_an_exclamation_mark(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="no"), action("Doing"):
        raise ValueError("no")

    assert capsys.readouterr().err == "Doing... !\n"


def test_a_warning_never_cuts_an_action_in_two(capsys: pytest.CaptureFixture[str]) -> None:
    with action("Doing"):
        terminal.warn("Mind the gap.")

    assert capsys.readouterr().err == "Doing... done\n ▸    Warning: Mind the gap.\n"


@pytest.mark.parametrize(
    ("text", "quoted"), [("plain", "plain"), ("a b", "'a b'"), ("it's", '"it\'s"'), ("a$\n'", '"a\\$\\n\'"')]
)
def test_config_is_quoted_for_shells(text: str, quoted: str) -> None:
    assert shell_quote(text) == quoted


def test_an_edited_listing_is_read_with_a_shells_quoting() -> None:
    assert parse_listing("A=1\nB='two\nlines'\nC=\n") == {"A": "1", "B": "two\nlines", "C": ""}
