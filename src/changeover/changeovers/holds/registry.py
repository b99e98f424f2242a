"""All holds by name, and which methods have which."""

from __future__ import annotations

from collections.abc import Mapping

from changeover.changeovers.holds.command import Command
from changeover.changeovers.holds.hold import Hold
from changeover.changeovers.holds.maintenance import Maintenance
from changeover.changeovers.holds.pgbouncer import PgBouncer
from changeover.changeovers.holds.pooled import Pooled
from changeover.changeovers.holds.read_only import ReadOnly
from changeover.changeovers.holds.writers import HoldOfWriters
from changeover.platform.scope import Parts

OF_DATABASES = ("maintenance", "pooled")
"""For a source of ours."""
OF_ADDRESSES = ("none", "read-only", "pgbouncer", "command")
"""For a source that is known by its address."""


def holds(parts: Parts) -> Mapping[str, Hold]:
    """By the name that users give with --hold."""
    return {
        "none": HoldOfWriters(parts), "maintenance": Maintenance(parts), "pooled": Pooled(),
        "read-only": ReadOnly(parts), "pgbouncer": PgBouncer(parts), "command": Command(parts),
    }  # fmt: skip
