"""The rows of our state as plain values. migrations/ says what they mean; platform/ what may be done with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

SCHEDULER = "scheduler"
EXTERNAL = "external"
"""The engine of servers run by others, and the plan name of their databases."""


@dataclass(frozen=True)
class Account:
    id: UUID
    email: str
    is_operator: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Authorization:
    id: UUID
    account_id: UUID
    description: str
    scope: list[str]
    token_hash: bytes
    token_hint: str
    is_operator: bool
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Team:
    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    role: str | None = None
    """The caller's role in it, where the query asks for a caller."""


@dataclass(frozen=True)
class Member:
    account_id: UUID
    email: str
    role: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Space:
    id: UUID
    name: str
    team_id: UUID
    region: str
    is_shield: bool
    cidr: str
    data_cidr: str
    address: str
    state: str
    created_at: datetime
    updated_at: datetime
    team_name: str


@dataclass(frozen=True)
class App:
    id: UUID
    name: str
    owner_id: UUID
    team_id: UUID | None
    space_id: UUID | None
    region: str
    stack: str
    is_in_maintenance: bool
    is_locked: bool
    is_internally_routed: bool
    released_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ports: list[int]
    owner_email: str
    team_name: str | None
    space_name: str | None
    space_is_shield: bool | None


@dataclass(frozen=True)
class Collaborator:
    id: UUID
    account_id: UUID
    email: str
    role: str
    permissions: list[str]
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class ConfigVar:
    name: str
    value: bytes


@dataclass(frozen=True)
class Release:
    id: UUID
    app_id: UUID
    app_name: str
    version: int
    description: str
    status: str
    account_id: UUID
    email: str
    config: bytes
    addon_plan_names: list[str]
    slug_id: UUID | None
    environment: bytes | None
    output_key: str | None
    is_current: bool
    failure: str | None
    """Why it did not reach the dynos, unless its release phase failed."""
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class NewRelease:
    id: UUID
    version: int
    app_name: str


@dataclass(frozen=True)
class Slug:
    """Deployed code. `process_types` is the Procfile: [type, command], in its order."""

    id: UUID
    app_id: UUID
    process_types: list[list[str]]
    directory: str
    bytes: int
    checksum: str
    created_at: datetime

    @property
    def commands(self) -> dict[str, str]:
        return {pair[0]: pair[1] for pair in self.process_types}

    @property
    def has_release_phase(self) -> bool:
        return "release" in self.commands


@dataclass(frozen=True)
class DynoRow:
    app_id: UUID
    name: str
    type: str
    port: int | None
    release: int
    restarts: int
    is_stopped: bool
    stopped_at: datetime | None = None


@dataclass(frozen=True)
class FormationRow:
    id: UUID
    app_id: UUID
    type: str
    quantity: int
    size: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class Addon:
    id: UUID
    name: str
    app_id: UUID
    service: str
    plan: str
    state: str
    created_at: datetime
    updated_at: datetime
    app_name: str
    space_id: UUID | None
    region: str


@dataclass(frozen=True)
class Attachment:
    id: UUID
    ordinal: int
    app_id: UUID
    addon_id: UUID
    name: str
    namespace: str | None
    created_at: datetime
    updated_at: datetime
    app_name: str
    addon_name: str
    service: str
    plan: str
    addon_app_id: UUID
    addon_app_name: str

    @property
    def config_var(self) -> str:
        return f"{self.name}_URL"

    @property
    def config_vars(self) -> list[str]:
        """The config vars that it adds to its app. None if there is nothing to connect to."""
        return [] if self.service == SCHEDULER else [self.config_var]


@dataclass(frozen=True)
class PoolerRow:
    name: str
    host: str
    address: str
    port: int
    folder: str
    socket_directory: str
    addon_id: UUID
    leads_since: datetime
    trouble: str | None


@dataclass(frozen=True)
class Scheduler:
    """`held_by`: None while its jobs run, otherwise what holds them: 'maintenance' or 'hand'."""

    app_id: UUID
    addon_id: UUID
    held_by: str | None


@dataclass(frozen=True)
class ScheduledJob:
    id: int
    app_id: UUID
    command: str
    cron: str
    size: str
    next_at: datetime
    last_at: datetime | None
    last_dyno: str | None
    created_at: datetime


@dataclass(frozen=True)
class ServerRow:
    """`host` and the directories are None for a server run by others. `parameters` and its identifier are None for ours."""

    name: str
    host: str | None
    engine: str
    address: str
    port: int
    bin_directory: str | None
    data_directory: str | None
    socket_directory: str | None
    size: dict[str, Any]
    is_shared: bool
    is_wanted: bool
    is_retired: bool
    trouble: str | None
    created_at: datetime
    parameters: bytes | None
    system_identifier: str | None


@dataclass(frozen=True)
class Database:
    addon_id: UUID
    server_name: str
    database_name: str
    leader_id: UUID | None
    forked_from: str | None
    created_at: datetime
    addon_name: str
    app_id: UUID
    plan: str
    state: str
    addon_created_at: datetime
    address: str
    port: int
    is_shared: bool
    trouble: str | None
    engine: str
    parameters: bytes | None
    """Further parameters of the address of an external database (TLS and so on), encrypted. None for ours."""

    @property
    def is_external(self) -> bool:
        """Whether its server is run by others: we know only its address and change nothing on it."""
        return self.engine == EXTERNAL


@dataclass(frozen=True)
class CredentialRow:
    id: UUID
    addon_id: UUID
    name: str
    user_name: str
    password: bytes
    state: str
    created_at: datetime


@dataclass(frozen=True)
class RunRow:
    id: int
    kind: str
    subject: str
    app: str | None
    """The app's name when the run began, for display. Permissions use `app_id`."""
    app_id: UUID | None
    account_id: UUID | None
    host: str
    input: dict[str, Any]
    status: str
    step: str
    step_began_at: datetime
    waits_because: str | None
    percent: int | None
    error: dict[str, Any] | None
    is_cancelled: bool
    is_past_return: bool
    epoch: int
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    wakes_at: datetime | None
    """It waits without a slot until then. None: it is worked on, or may be at any time."""


@dataclass(frozen=True)
class JournalRow:
    id: int
    run_id: int
    at: datetime
    epoch: int
    step: str
    event: str
    detail: str | None
