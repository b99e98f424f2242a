"""Compares two databases: schema, rows, sequences, large objects, extensions, each side in its own snapshot.

`compare` is the entry point and returns a `Comparison`. Nothing is changed on either side. No row leaves its server, except
the key of a row that differs. What could not be compared is unknown, never equal.
"""

from changeover.postgres.comparing.comparison import Comparison, Difference, Part, Unknown
from changeover.postgres.comparing.databases import compare

__all__ = ["Comparison", "Difference", "Part", "Unknown", "compare"]
