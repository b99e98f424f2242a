"""The sources of an earlier commit, for tests of upgrades."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path

import pytest
from backports import tarfile

CHECKOUT = Path(__file__).parents[1]


def sources_of(commit: str, folder: Path) -> Path:
    """The `src` of that commit, unpacked into the folder. Skips where the checkout's history does not go back that far."""
    packed = subprocess.run(["git", "-C", CHECKOUT, "archive", commit, "src"], capture_output=True, check=False)
    if packed.returncode != 0:
        pytest.skip(f"commit {commit} is not in the history of this checkout")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"
