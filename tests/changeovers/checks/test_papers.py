"""docs/checks.md explains each check, and none that doesn't exist; each has an answer that a test provokes."""

from __future__ import annotations

import re
from pathlib import Path

from changeover.changeovers.checks import CHECKS
from changeover.changeovers.checks.finding import in_order, named
from changeover.changeovers.checks.ours import TITLES
from changeover.quantities import counted, in_bytes, in_time

PAGE = Path(__file__).resolve().parents[3] / "docs/checks.md"
TELL_ONLY = {"C28", "N2"}
"""They tell a fact, and have nothing to complain of."""


def test_every_check_is_explained() -> None:
    assert set(re.findall(r"^\| `([NSCT]\d+)` \|", PAGE.read_text(), re.MULTILINE)) == set(CHECKS)


def test_every_check_of_a_changeover_of_ours_is_explained() -> None:
    assert set(re.findall(r"^\| `([a-z]\w+)` \|", PAGE.read_text(), re.MULTILINE)) == set(TITLES)


def test_every_check_is_tried_with_what_it_is_for() -> None:
    tests = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))

    assert {id_ for id_ in CHECKS if f'"{id_}"' not in tests} <= TELL_ONLY


def test_checks_are_told_in_the_order_of_their_numbers() -> None:
    ids = [one.id for one in in_order(CHECKS.values())]

    assert ids[:2] == ["N1", "N2"]
    assert ids.index("S2") < ids.index("S11") < ids.index("C1") < ids.index("T1")


def test_sizes_times_and_lists_are_written_for_people() -> None:
    assert [in_bytes(number) for number in (12, 1500, 2.5e9, 3e12)] == ["12 bytes", "2 kB", "2.5 GB", "3.0 TB"]
    assert [in_time(seconds) for seconds in (0.2, 40, 720, 12600)] == ["1 s", "40 s", "12 min", "3.5 h"]
    assert named(["a\nb", *"cdefgh"]) == "a\\nb, c, d, e, f and 2 more"
    assert (counted(1, "table"), counted(2, "index", "indexes")) == ("1 table", "2 indexes")
