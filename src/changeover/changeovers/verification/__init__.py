"""Comparing both sides: as part of a changeover, or alone (`changeover verify`)."""
