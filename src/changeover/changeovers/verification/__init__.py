"""Comparing both sides: as part of a changeover, or by itself (`changeover verify`)."""
