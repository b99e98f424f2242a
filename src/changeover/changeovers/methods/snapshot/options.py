"""What may be asked of a changeover between two addresses, and what makes no sense together."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from changeover.changeovers.holds.hooks import HOOKS, Hooks
from changeover.changeovers.holds.registry import OF_ADDRESSES
from changeover.errors import InvalidParams
from changeover.platform.secrets import Cipher
from changeover.postgres.filters import Filters
from changeover.store.changeover_rows import ChangeoverRow

VERIFIES = ("full", "counts", "none")
REFRESHES = ("all", "none")
Options = Mapping[str, Any]
"""What was given on a command line: names of the fields of SnapshotOptions and Hooks, without those that were not given."""


@dataclass(frozen=True)
class SnapshotOptions:
    """How the changeover is done. Raises InvalidParams for what makes no sense together."""

    hold: str = "none"
    verify: str | None = None
    """None: all the content where writers are held, else nothing, because a live source has moved on."""
    refresh: str = "all"
    """Which materialized views are filled: those that are filled on the source, or none."""
    connections: int = 2
    keeps_owners: bool = True
    exclude_tables: tuple[str, ...] = ()
    """Patterns, as the two after it: see `filters`."""
    exclude_schemas: tuple[str, ...] = ()
    only_schemas: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    """Ids of checks whose failure is taken for granted."""
    hooks: Hooks = field(default_factory=Hooks)

    def __post_init__(self) -> None:
        if self.hold not in OF_ADDRESSES:
            raise InvalidParams(f"There is no hold named {self.hold!r}.", fix=f"There are: {', '.join(OF_ADDRESSES)}.")
        if self.verify is not None and self.verify not in VERIFIES:
            raise InvalidParams(f"verify can't be {self.verify!r}.", fix=f"It is one of {', '.join(VERIFIES)}.")
        if self.refresh not in REFRESHES:
            raise InvalidParams(f"Invalid refresh: {self.refresh!r}.", fix=f"Use one of {', '.join(REFRESHES)}.")
        if not 1 <= self.connections <= 16:
            raise InvalidParams("connections must be from 1 to 16.")
        if self.hold == "command" and not self.hooks.on_hold:
            raise InvalidParams("A hold by command wants the command.", fix="Give it with --on-hold.")
        if self.hold == "pgbouncer" and not (self.hooks.pgbouncer and self.hooks.on_switch):
            raise InvalidParams(
                "A hold by PgBouncer wants its console and --on-switch.",
                why="When it lets its clients go on, it must lead to the target; only you can write its file.",
                fix="Give --hold pgbouncer:URL, and with --on-switch a command that changes its file and reloads it.",
            )
        _ = self.filters
        for command in (self.hooks.on_hold, self.hooks.on_switch, self.hooks.on_release):
            _require_readable(command)

    @classmethod
    def of(cls, options: Options) -> SnapshotOptions:
        """With a default for whatever is not among them."""
        hooks = Hooks(**{name: value for name, value in options.items() if name in HOOKS})
        return cls(**{name: value for name, value in options.items() if name not in HOOKS}, hooks=hooks)

    @property
    def filters(self) -> Filters:
        """Raises InvalidParams for what is no pattern."""
        return Filters(self.exclude_tables, self.exclude_schemas, self.only_schemas)

    @property
    def verification(self) -> str:
        return self.verify or ("none" if self.hold == "none" else "full")

    def as_dict(self) -> dict[str, object]:
        """For our state and for users: without secrets, and without the hold, which has a column of its own."""
        own = asdict(self)
        del own["hold"]
        own["hooks"] = [name for name, command in asdict(self.hooks).items() if command]
        return own | {"verify": self.verification}


def options_of(row: ChangeoverRow, cipher: Cipher) -> dict[str, Any]:
    """All options of a changeover, as they were given or by default."""
    plain = {name: row.options[name] for name in ("verify", "connections", "keeps_owners")}
    plain["refresh"] = row.options.get("refresh", "all")  # a former version had no such option
    patterns = {name: tuple(values) for name, values in Filters.of(row.options).as_dict().items()}
    return {
        "hold": row.hold, **plain, **patterns, "ignored": tuple(row.options["ignored"]), **Hooks.of(row, cipher).as_dict(),
    }  # fmt: skip


def _require_readable(command: str | None) -> None:
    try:
        if command is not None and not shlex.split(command):
            raise InvalidParams("A command is empty.")
    except ValueError as error:
        raise InvalidParams(
            "A command can't be read.",
            why=str(error),
            fix="It is split into words as a shell does, and run without one.",
        ) from None
