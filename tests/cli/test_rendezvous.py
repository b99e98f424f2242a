"""What stands between a dyno's bytes and our stdout: the line of the exit status never shows, everything else does."""

from __future__ import annotations

import io

import pytest

from changeover.cli.rendezvous import Output

STATUS = "\uffff heroku-command-exit-status: 37\n".encode()


def passed(chunks: list[bytes], *, watches: bool = True, keeps_returns: bool = True) -> tuple[bytes, int | None]:
    to = io.BytesIO()
    output = Output(to, watches=watches, keeps_returns=keeps_returns)
    for chunk in chunks:
        output.write(chunk)
    output.write(b"", is_last=True)
    return to.getvalue(), output.code


@pytest.mark.parametrize("cut", range(len(STATUS)))
def test_the_exit_status_is_found_wherever_the_network_cuts_it(cut: int) -> None:
    assert passed([b"done\n" + STATUS[:cut], STATUS[cut:]]) == (b"done\n", 37)


@pytest.mark.parametrize(
    "chunks",
    [
        [b"a\xef", b"\xbf\xbc b"],
        ["\uffff is just a sign\n".encode(), b"x"],
        ["\uffff heroku-command-exit-status: none\n".encode()],
        ["\uffff".encode()],
        [b"x" * 100_000, b"\xef"],
    ],
)
def test_what_only_looks_like_it_is_shown(chunks: list[bytes]) -> None:
    assert passed(chunks) == (b"".join(chunks), None)


def test_without_watching_everything_is_shown() -> None:
    assert passed([STATUS], watches=False) == (STATUS, None)


def test_a_terminals_line_ends_become_a_files_even_when_cut() -> None:
    assert passed([b"a\r", b"\nb\r\n", b"c\rd\r"], keeps_returns=False) == (b"a\nb\nc\rd\r", None)


def test_a_status_that_ends_with_the_line_counts() -> None:
    assert passed([b"x\r\n", STATUS.rstrip()]) == (b"x\r\n", 37)
