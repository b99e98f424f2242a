"""The values that platform functions return, importable from one place by code that only displays them."""

from changeover.engines.engine import Behind
from changeover.runs.run import Workflow
from changeover.runtime.runtime import Dyno, Session
from changeover.store.access_rows import AuditRow
from changeover.store.rows import (
    SCHEDULER,
    Account,
    Addon,
    App,
    Attachment,
    Authorization,
    Collaborator,
    CredentialRow,
    Database,
    Member,
    Release,
    RunRow,
    ScheduledJob,
    Scheduler,
    Space,
    Team,
)
from changeover.store.transfer_rows import TransferRow, TransferScheduleRow

__all__ = [
    "SCHEDULER", "Account", "Addon", "App", "Attachment", "AuditRow", "Authorization", "Behind", "Collaborator", "CredentialRow",
    "Database", "Dyno", "Member", "Release", "RunRow", "ScheduledJob", "Scheduler", "Session", "Space", "Team",
    "TransferRow", "TransferScheduleRow", "Workflow",
]  # fmt: skip
