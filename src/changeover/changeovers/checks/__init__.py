"""Preflight checks before a database is moved by snapshot. They are read-only.

`check(source, target)` opens both, runs every check of finding.CHECKS and returns one `Checked`. Each subject has a file of
checks; docs/checks.md explains each id. What a check could not read is `unknown`, never `passed`.
"""

from changeover.changeovers.checks.asking import check
from changeover.changeovers.checks.checked import Checked, traits_of
from changeover.changeovers.checks.finding import CHECKS, Finding

__all__ = ["CHECKS", "Checked", "Finding", "check", "traits_of"]
