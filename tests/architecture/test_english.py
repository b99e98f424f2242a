"""Sources and pages contain no phrases that read as translated. Each has words to use instead."""

from __future__ import annotations

import re

import pytest
from tests.architecture.tracked import PACKAGE, ROOT, text_of, tracked_files

INSTEAD = {
    "all the same": "still",
    "as it stands": "unchanged",
    "be had": "be read, be reached, be available",
    "brought along": "copied",
    "can not": "can't",
    "half-made": "incomplete",
    "is at work": "is running",
    "is no member": "is not a member",
    "made anew": "replaced, created again",
    "may not be brought": "are not copied",
    "mended": "corrected",
    "none of ours": "not one of ours",
    "not found out": "not checked, unknown",
    "passed over": "skipped",
    "takes place": "happens",
    "time and again": "repeatedly",
    "who asks": "the caller",
    "who may what": "permissions",
    "whose it is": "its owner",
}
PATTERNS = {phrase: re.compile(rf"\b{phrase}\b".replace(" ", r"\s+"), re.IGNORECASE) for phrase in INSTEAD}
FILES = [
    path
    for path in tracked_files()
    if path.is_relative_to(PACKAGE) or path.parent == ROOT / "docs" or path == ROOT / "README.md"
]


@pytest.mark.parametrize("phrase", INSTEAD)
def test_a_phrase_stays_out_of_sources_and_pages(phrase: str) -> None:
    found = [str(path.relative_to(ROOT)) for path in FILES if PATTERNS[phrase].search(text_of(path))]

    assert not found, f"say plainly: {INSTEAD[phrase]}"
