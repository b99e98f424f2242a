"""What is in an archive of pg_dump's custom format: its list, what of it is restored, what an error in it means. Pure.

The form of the list and of messages is that of `pg_restore --list` and `--verbose` (PostgreSQL manual, pg_restore).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from changeover.errors.transfers import BadBackup
from changeover.postgres.emptying import RESERVED_SCHEMAS

DISPENSABLE = frozenset({"plpgsql", "pg_stat_statements", "pg_buffercache", "pg_repack", "azure", "pgaadauth", "rds_tools",
                         "google_vacuum_mgmt", "google_columnar_engine", "google_db_advisor", "aiven_extras"})  # fmt: skip
"""Extensions that watch or serve a provider: no table needs them."""
HARMLESS = frozenset({"EXTENSION", "COMMENT", "ACL", "DEFAULT ACL", "EVENT TRIGGER", "PUBLICATION", "PUBLICATION TABLE",
                      "PUBLICATION TABLES IN SCHEMA", "SUBSCRIPTION", "SUBSCRIPTION TABLE", "SECURITY LABEL",
                      "PROCEDURAL LANGUAGE", "FOREIGN DATA WRAPPER", "SERVER", "USER MAPPING", "SCHEMA"})  # fmt: skip
"""What a restored database works without. All else that fails makes the restore a failure."""
USUAL_RATIO = 3.0
_ENTRY = re.compile(r"^(\d+); (\d+) (\d+) (.+)$")
_KINDS = ("COMMENT", "ACL", "DEFAULT ACL", "EVENT TRIGGER", "EXTENSION", "SCHEMA", "TABLE DATA", "TABLE ATTACH",
          "SUBSCRIPTION TABLE", "SUBSCRIPTION", "BLOB DATA", "BLOBS", "BLOB METADATA", "BLOB", "TABLE")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One line of the list. `namespace` is `-` where there is none; `rest` is the object's name, and its owner."""

    line: str
    kind: str
    namespace: str
    rest: str


@dataclass(frozen=True)
class Contents:
    """The archive's list."""

    entries: tuple[Entry, ...]

    @classmethod
    def parse(cls, listing: str) -> Contents:
        """Raises BadBackup for what is no list."""
        found = tuple(_entry(match) for line in listing.splitlines() if (match := _ENTRY.match(line)))
        if not found and "TOC Entries" not in listing:
            raise BadBackup("The archive can't be read.", why="It has no table of contents.")
        return cls(found)

    @property
    def extensions(self) -> list[str]:
        return [entry.rest.split(" ")[0] for entry in self.entries if entry.kind == "EXTENSION"]

    @property
    def tables(self) -> int:
        return sum(entry.kind == "TABLE" for entry in self.entries)

    @property
    def tables_with_data(self) -> int:
        return sum(entry.kind == "TABLE DATA" for entry in self.entries)

    def lacking(self, available: Collection[str]) -> list[str]:
        """Extensions without which tables can't be made, and which the server does not have."""
        return [name for name in self.extensions if name not in available and name not in DISPENSABLE]

    def to_restore(self, *, present: Collection[str]) -> str:
        """The list for `pg_restore --use-list`; `present` are extensions that are there already."""
        return "".join(f"{entry.line}\n" for entry in self.entries if _is_wanted(entry, present))


def _entry(match: re.Match[str]) -> Entry:
    text = match[4]
    kind = next((kind for kind in _KINDS if text.startswith(f"{kind} ")), "")
    if not kind:
        words = re.match(r"((?:[A-Z]+ )+)", text)
        kind = words[1].strip() if words else ""
    namespace, _, rest = text[len(kind) + 1 :].partition(" ")
    return Entry(match[0], kind, namespace, rest)


def _is_wanted(entry: Entry, present: Collection[str]) -> bool:
    first = entry.rest.split(" ")[0]
    if entry.namespace in RESERVED_SCHEMAS or entry.kind in ("EVENT TRIGGER", "SUBSCRIPTION", "SUBSCRIPTION TABLE"):
        return False
    if entry.kind == "SCHEMA":
        return first not in (*RESERVED_SCHEMAS, "public")
    if entry.kind == "EXTENSION":
        return first not in present and first not in DISPENSABLE
    if entry.kind == "COMMENT":
        return not entry.rest.startswith(("EXTENSION ", *(f"SCHEMA {name}" for name in RESERVED_SCHEMAS)))
    return True


@dataclass
class Restored:
    """What pg_restore says while it works, line by line: what it does, and what went wrong with which entry."""

    says: str = ""
    failures: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    tables_done: int = 0
    is_complete: bool = False
    """It came to its end, with errors; without any it says nothing, and exits 0."""
    _kind: str = ""

    def hear(self, line: str) -> None:
        text = re.sub(r"^pg_restore: ", "", line)
        if of := re.match(r"from TOC entry \d+; \d+ \d+ (.+)$", text):
            found = _ENTRY.match(f"0; 0 0 {of[1]}")
            self._kind = _entry(found).kind if found else ""
        elif text.startswith("error: could not execute query: ERROR:") or re.match(r"error: COPY failed", text):
            self._note(re.sub(r"^error: (could not execute query: )?(ERROR:\s*)?", "", text))
        elif text.startswith("warning: errors ignored on restore"):
            self.is_complete = True
        elif text.startswith(("creating ", "processing data for table ", "executing ", "restoring large object")):
            self.says = text
            self.tables_done += text.startswith("processing data")

    def _note(self, said: str) -> None:
        """A setting that an older server doesn't know comes before the first entry."""
        is_setting = not self._kind and "unrecognized configuration parameter" in said
        is_harmless = self._kind in HARMLESS
        if not is_setting:
            (self.warnings if is_harmless else self.failures).append(f"{self._kind or 'archive'}: {said}")


@dataclass
class Dumped:
    """What pg_dump says and has written: which table it is at, and so how far it is. `table_bytes` by `schema.table`."""

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
        """Of the tables; within one it is estimated from how well those before it were compressed."""
        if self._at is None:
            return 0
        ratio = self._whole_bytes / self._written_before if self._whole_bytes and self._written_before else USUAL_RATIO
        within = int((self.written - self._written_before) * ratio)
        return self._whole_bytes + min(within, self.table_bytes.get(self._at, 0))

    @property
    def bytes_total(self) -> int:
        return sum(self.table_bytes.values())
