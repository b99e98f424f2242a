"""The files of this checkout that are, or would be, under version control."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/changeover"


@cache
def tracked_files() -> tuple[Path, ...]:
    """Absolute paths of all files that git tracks or would add; no links into nowhere."""
    # a checkout may belong to somebody else than who runs the tests
    git = ["git", "-c", "safe.directory=*", "-C", str(ROOT)]
    listed = subprocess.run(
        [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(sorted({ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}))


@cache
def text_of(path: Path) -> str:
    """A file's text; empty for one that is no UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def pages() -> list[Path]:
    """Our own documentation, all of it."""
    return [path for path in tracked_files() if path.suffix == ".md"]


def modules() -> list[Path]:
    """The product's Python files."""
    return sorted(PACKAGE.rglob("*.py"))
