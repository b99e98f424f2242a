"""The values that platform functions hand out, under one name for those who only show them."""

from changeover.engines.engine import Behind
from changeover.runs.run import Workflow
from changeover.runtime.runtime import Dyno, Session
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

__all__ = [
    "SCHEDULER", "Account", "Addon", "App", "Attachment", "Authorization", "Behind", "Collaborator", "CredentialRow",
    "Database", "Dyno", "Member", "Release", "RunRow", "ScheduledJob", "Scheduler", "Session", "Space", "Team", "Workflow",
]  # fmt: skip
