"""Moves a database between two servers that somebody else may run: hold, copy, verify, switch, release. As one run."""
