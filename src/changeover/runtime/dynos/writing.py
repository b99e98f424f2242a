"""Writes small files atomically, readable only by us."""

from __future__ import annotations

import os
from pathlib import Path

from changeover.hosts.disks import naming


def write_whole(path: Path, text: str) -> None:
    """Readers get either the old or the new content."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with naming(path), open(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
