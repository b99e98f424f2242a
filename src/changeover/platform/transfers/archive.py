"""The contents of a pg_dump archive in custom format, which of them are restored, and the meaning of errors. Pure.

Names come from the archive's table of contents, never from `pg_restore --list`, which prints them unquoted. Messages are those
of `pg_restore --verbose` in the C locale. A server's own messages in them may be in any language, and are not interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from changeover.postgres.emptying import RESERVED_SCHEMAS
from changeover.postgres.extension_members import Member
from changeover.postgres.toc import Head, TocEntry

DISPENSABLE = frozenset({"plpgsql", "pg_stat_statements", "pg_buffercache", "pg_repack", "azure", "pgaadauth", "rds_tools",
                         "google_vacuum_mgmt", "google_columnar_engine", "google_db_advisor", "aiven_extras"})  # fmt: skip
"""Extensions for monitoring or for a provider. No table needs them."""
HARMLESS = frozenset({"EXTENSION", "COMMENT", "ACL", "DEFAULT ACL", "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE",
                      "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION", "SUBSCRIPTION TABLE", "SECURITY LABEL",
                      "PROCEDURAL LANGUAGE", "FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING", "SCHEMA"})  # fmt: skip
"""A database works without these. Any other failure makes the restore fail."""
USUAL_RATIO = 3.0
COMMAND: Final = re.compile(r"(?:detail: )?Command was: SET \w+ = ")
"""Since PostgreSQL 15, the program's name comes first."""
_EXTENSION = re.compile(
    r"CREATE EXTENSION IF NOT EXISTS .+ WITH SCHEMA (?P<schema>\"(?:[^\"]|\"\")+\"|[^\";\s]+);\s*", re.DOTALL
)
DEFINED: Final = {"EXTENSION", "DATABASE PROPERTIES"}
NEVER_RESTORED: Final = {"EVENT TRIGGER", "SUBSCRIPTION", "SUBSCRIPTION TABLE"}
EVERYWHERE: Final = {"public", *RESERVED_SCHEMAS}
"""Schemas that already exist or that a restore leaves alone."""


@dataclass(frozen=True)
class Present:
    """What a database contains before a restore."""

    extensions: frozenset[str] = frozenset()
    schemas: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Contents:
    """The archive's table of contents. Keeps definitions only for entries in `DEFINED`."""

    entries: tuple[TocEntry, ...]

    @classmethod
    def of(cls, head: Head) -> Contents:
        return cls(tuple(one if _needs_definition(one) else replace(one, definition=b"") for one in head.entries))

    @property
    def extensions(self) -> dict[str, str]:
        """The schema of each extension."""
        return {one.name: _schema_of(one) for one in self.entries if one.kind == "EXTENSION"}

    @property
    def tables(self) -> int:
        return sum(entry.kind == "TABLE" for entry in self.entries)

    @property
    def tables_with_data(self) -> int:
        return sum(entry.kind == "TABLE DATA" for entry in self.entries)

    def lacking(self, available: Collection[str]) -> list[str]:
        """Extensions that tables need and the server lacks."""
        return [name for name in self.extensions if name not in available and name not in DISPENSABLE]

    def wanted(self, present: Present) -> list[TocEntry]:
        """The entries to restore into a database that already contains `present`."""
        return [entry for entry in self.entries if _is_wanted(entry, present)]

    @property
    def kinds(self) -> dict[int, str]:
        """By pg_restore's number of the entry."""
        return {entry.number: entry.kind for entry in self.entries}


def _needs_definition(entry: TocEntry) -> bool:
    return entry.kind in DEFINED or changes_trigger_of_key(entry)


def _schema_of(extension: TocEntry) -> str:
    """`public` if the archive does not say: an extension can choose its own schema."""
    found = _EXTENSION.fullmatch(extension.definition.decode(errors="surrogateescape").strip())
    if found is None:
        return "public"
    name = found["schema"]
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _is_wanted(entry: TocEntry, present: Present) -> bool:
    if entry.schema in RESERVED_SCHEMAS or entry.kind in NEVER_RESTORED or changes_trigger_of_key(entry):
        return False
    if entry.kind == "SCHEMA":
        return entry.name not in present.schemas | EVERYWHERE
    if entry.kind == "EXTENSION":
        return _is_made(entry.name, present)
    if entry.kind == "COMMENT":
        if extension := re.fullmatch(r'EXTENSION (?:"(.+)"|(.+))', entry.name):
            return _is_made(extension[1] or extension[2], present)  # otherwise the owner may not comment on it
        return entry.name not in _RESERVED_COMMENTS
    return True


def changes_trigger_of_key(entry: TocEntry) -> bool:
    """Whether it disables an internal trigger of a foreign key on a partition.

    pg_dump uses the trigger's name on the source, which contains an oid, so this always fails on another database.
    """
    is_so_named = entry.kind == "TRIGGER" and re.search(r" RI_ConstraintTrigger_[ac]_\d+$", entry.name)
    return bool(is_so_named) and entry.definition.lstrip().startswith(b"ALTER TABLE")


def _is_made(extension: str, present: Present) -> bool:
    return extension not in present.extensions and extension not in DISPENSABLE


_RESERVED_COMMENTS = {f"SCHEMA {name}" for name in RESERVED_SCHEMAS}


@dataclass
class Restored:
    """Parses pg_restore's output line by line: its progress, and the errors by entry."""

    kinds: Mapping[int, str] = field(default_factory=dict)
    """By the entry's number."""
    says: str = ""
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables_done: int = 0
    ignored: int | None = None
    """The number of errors that pg_restore reports at its end, if any."""
    members: frozenset[Member] = frozenset()
    """The members of the extensions that exist afterwards."""
    _settings: int = 0
    _kind: str = ""
    _last: list[str] | None = None

    def hear(self, line: str) -> None:
        text = line.removeprefix("pg_restore: ")
        if COMMAND.match(text):
            self._forget_setting()
        if text == line:
            return  # the continuation of a message
        if of := re.match(r"from TOC entry (\d+); ", text):
            self._kind = self.kinds.get(int(of[1]), "")
        elif text.startswith("error: "):
            self._note(re.sub(r"^error: (could not execute query: )?(\w+:\s+)?", "", text))
        elif ignored := re.match(r"warning: errors ignored on restore: (\d+)", text):
            self.ignored = int(ignored[1])
        elif text.startswith(("creating ", "processing data for table ", "executing ", "restoring large object")):
            self.says = text
            self.tables_done += text.startswith("processing data")

    @property
    def is_explained(self) -> bool:
        """It ran to the end, and each error that it counted was parsed here."""
        return self.ignored == len(self.failures) + len(self.warnings) + self._settings

    def _note(self, said: str) -> None:
        self._last = self.warnings if self._kind in HARMLESS else self.failures
        self._last.append(f"{self._kind or 'archive'}: {said}")

    def _forget_setting(self) -> None:
        """A setting that an older server doesn't know. Settings come before the first entry."""
        if self._last and not self._kind:
            self._last.pop()
            self._settings += 1
        self._last = None


@dataclass
class Dumped:
    """Parses pg_dump's output for the current table, and thereby the progress. `table_bytes` by `schema.table`."""

    table_bytes: dict[str, int] = field(default_factory=dict)
    says: str = ""
    written: int = 0
    tables_done: int = 0
    _whole_bytes: int = 0
    _at: str | None = None
    _written_before: int = 0

    def hear(self, line: str) -> None:
        if at := re.match(r'pg_dump: dumping contents of table "(.+)"$', line):
            if self._at is not None:
                self._whole_bytes += self.table_bytes.get(self._at, 0)
                self.tables_done += 1
            self._at, self.says, self._written_before = at[1], f"table {at[1]}", self.written
        elif line.startswith("pg_dump: reading "):
            self.says = line.removeprefix("pg_dump: ")

    @property
    def bytes_done(self) -> int:
        """Bytes of tables. Within a table it is an estimate based on the compression of earlier ones."""
        if self._at is None:
            return 0
        ratio = self._whole_bytes / self._written_before if self._whole_bytes and self._written_before else USUAL_RATIO
        within = int((self.written - self._written_before) * ratio)
        return self._whole_bytes + min(within, self.table_bytes.get(self._at, 0))

    @property
    def bytes_total(self) -> int:
        return sum(self.table_bytes.values())
