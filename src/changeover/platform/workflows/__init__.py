"""The steps of each kind of run. Docs, `runs:info` and dashboard are generated from them."""

from __future__ import annotations

from changeover.platform.scope import Parts
from changeover.platform.transfers.verifying import Verifying
from changeover.platform.transfers.workflow import Transferring
from changeover.platform.workflows.converging import Converging
from changeover.platform.workflows.destroying import Destroying
from changeover.platform.workflows.following import Following
from changeover.platform.workflows.provisioning import Provisioning
from changeover.platform.workflows.unfollowing import Unfollowing
from changeover.runs.run import Workflow


def workflows(parts: Parts) -> dict[str, Workflow]:
    """All workflows, by kind."""
    tables = (
        Provisioning(parts).workflow(),
        Following(parts).workflow(),
        Unfollowing(parts).workflow(),
        Destroying(parts).workflow(),
        *Converging(parts).workflows(),
        *Transferring(parts).workflows(),
        Verifying(parts).workflow(),
    )
    return {table.kind: table for table in tables}
