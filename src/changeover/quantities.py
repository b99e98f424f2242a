"""Numbers, sizes and durations as people read them, alike in messages, reports and on the command line."""

from __future__ import annotations


def counted(number: int, thing: str, things: str = "") -> str:
    """`1 table`, `3 tables`, `1,200 tables`. `things`: a plural that is not made by adding an s."""
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def in_bytes(number: float) -> str:
    """`2.5 GB`. Uses powers of 1000, like disks and providers."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit in ("bytes", "kB") else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def in_time(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
