"""Preflight: everything that can be known before a database elsewhere is moved by snapshot. Looks, and changes nothing.

`check(source, target)` opens both, asks every check of finding.CHECKS and returns one `Checked`. The checks stand in a file
for each subject; docs/checks.md explains each id. What a check could not see is `unknown`, never `passed`.
"""

from changeover.changeovers.checks.asking import check
from changeover.changeovers.checks.checked import Checked, traits_of
from changeover.changeovers.checks.finding import CHECKS, Finding

__all__ = ["CHECKS", "Checked", "Finding", "check", "traits_of"]
