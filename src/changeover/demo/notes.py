"""The records of the shop's worker: which orders were acknowledged, and when."""

from __future__ import annotations

from pathlib import Path

from changeover.demo.shop.worker import NOTE

LINE_BYTES = len(NOTE.format(order=0, at_ns=0))


class Notes:
    """The files of all workers so far, in one folder. Times are seconds of the machine's monotonic clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def count(self) -> int:
        return sum(path.stat().st_size // LINE_BYTES for path in self.folder.iterdir())

    def acknowledged(self) -> dict[int, float]:
        """Each order, and when it was acknowledged. Skips a line that is still being written."""
        lines = [line.split() for path in self.folder.iterdir() for line in path.read_text().split("\n")[:-1]]
        return {int(order): int(at_ns) / 1e9 for order, at_ns in lines}
