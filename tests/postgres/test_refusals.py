"""Who was refused at a fence, out of logs that grow, are begun anew, and are removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from changeover.postgres import refusals
from changeover.postgres.refusals import refusals_since

FIRST, SECOND = "postgresql-20261121-080000.log", "postgresql-20261121-090000.log"


def refused(user: str, at: str = "08:00:01", host: str = "10.0.0.7") -> str:
    why = f'pg_hba.conf rejects connection for host "{host}", user "{user}", database "d1", SSL encryption'
    return f"2026-11-21 {at}.123 UTC [4711] {user}@d1 [unknown] FATAL:  {why}\n"


def said(folder: Path, read_until: str = "") -> tuple[list[str], str]:
    found = refusals_since(folder, read_until)
    return [str(one) for one in found.those], found.read_until


def test_each_is_named_with_how_often_and_when(tmp_path: Path) -> None:
    lines = [refused("shop"), refused("report"), refused("shop", "08:10:00"), refused("changeover_probe", "08:11:00")]
    (tmp_path / FIRST).write_text("".join(lines) + "something else\n")

    assert said(tmp_path)[0] == [
        "shop from 10.0.0.7 to d1, 2 times, first at 2026-11-21 08:00:01, last at 2026-11-21 08:10:00 UTC",
        "report from 10.0.0.7 to d1, once, last at 2026-11-21 08:00:01 UTC",
    ]


def test_nobody_is_counted_twice_and_nobody_is_missed(tmp_path: Path) -> None:
    log = tmp_path / FIRST
    log.write_text(refused("a") + refused("b")[:40])
    first, read_until = said(tmp_path)
    log.write_text(refused("a") + refused("b"))
    second, read_until = said(tmp_path, read_until)
    (tmp_path / SECOND).write_text(refused("c", "09:00:00"))
    third, read_until = said(tmp_path, read_until)

    assert [one[0][0] for one in (first, second, third)] == ["a", "b", "c"]
    assert said(tmp_path, read_until) == ([], read_until)


def test_a_log_that_was_removed_meanwhile_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / SECOND).write_text(refused("c"))

    assert said(tmp_path, f"{FIRST}:12345") == ([said(tmp_path)[0][0]], f"{SECOND}:{len(refused('c'))}")


def test_a_look_is_short_and_the_next_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "LONGEST_LOOK", 300)
    (tmp_path / FIRST).write_text("x" * 400 + "\n" + refused("a") + refused("b"))

    seen, read_until = said(tmp_path)
    for _ in range(4):
        more, read_until = said(tmp_path, read_until)
        seen += more

    assert [one[0] for one in seen] == ["a", "b"]


def test_before_there_is_a_log_there_is_nobody(tmp_path: Path) -> None:
    assert said(tmp_path) == ([], "")
