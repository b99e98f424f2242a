"""Splits a dyno's output into lines and limits their rate. Writes nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

BURST_BYTES, BYTES_PER_S = 1_000_000, 500_000
BYTES_PER_LINE = 80
"""The cost of a line besides its text."""
LONGEST_REST = 10_000


@dataclass
class Budget:
    """How much may pass now. Refills over time."""

    clock: Callable[[], float] = time.monotonic
    left: float = BURST_BYTES
    looked_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.looked_at = self.clock()

    def take(self, cost: int) -> bool:
        """Passes until nothing is left. A block passes completely or not at all."""
        now = self.clock()
        self.left = min(BURST_BYTES, self.left + (now - self.looked_at) * BYTES_PER_S)
        self.looked_at = now
        if self.left <= 0:
            return False
        self.left -= cost
        return True


@dataclass
class Lines:
    """Blocks of bytes in, complete lines out. Lines over the budget are counted and dropped."""

    budget: Budget = field(default_factory=Budget)
    dropped: int = 0
    _rest: bytes = b""

    def feed(self, block: bytes) -> bytes:
        """The lines that this block completes, with their newlines. May be empty."""
        whole, newline, rest = block.rpartition(b"\n")
        if not newline:
            return self._without_newline(block)
        whole, self._rest = self._rest + whole + newline, rest
        count = whole.count(b"\n")
        if self.budget.take(len(whole) + count * BYTES_PER_LINE):
            return whole
        self.dropped += count
        return b""

    def flush(self) -> bytes:
        """The last, incomplete line."""
        rest, self._rest = self._rest, b""
        return rest + b"\n" if rest else b""

    def take_dropped(self) -> int:
        dropped, self.dropped = self.dropped, 0
        return dropped

    def _without_newline(self, block: bytes) -> bytes:
        self._rest += block
        if len(self._rest) <= LONGEST_REST:
            return b""
        piece = self.flush()
        if self.budget.take(len(piece) + BYTES_PER_LINE):
            return piece
        self.dropped += 1
        return b""
