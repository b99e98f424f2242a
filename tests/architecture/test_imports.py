"""The import rule of ARCHITECTURE.md, as import-linter reads it from pyproject.toml."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.architecture.tracked import ROOT


def test_every_package_imports_only_what_its_place_allows() -> None:
    """Late imports and imports under TYPE_CHECKING count too, and a new package must be given its place."""
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
