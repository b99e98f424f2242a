"""Do two databases hold the same? Schema, rows, sequences, large objects, extensions, each side in one snapshot of its own.

`compare` is the door; `Comparison` is what it answers. Nothing is changed on either side, no row leaves
its server but the keys of one that differs, and what could not be compared is unknown, never equal.
"""

from changeover.postgres.comparing.comparison import Comparison, Difference, Part, Unknown
from changeover.postgres.comparing.databases import compare

__all__ = ["Comparison", "Difference", "Part", "Unknown", "compare"]
