"""What a generated database has so far: later statements refer to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.corpus.values import KEYS, OTHERS, Names


@dataclass
class Table:
    """One that rows go into; `columns` are those that a row names, with their types."""

    name: str
    columns: dict[str, str]
    key: str = ""
    """A column that is unique; empty where there is none."""
    kind: str = "TABLE"

    @property
    def steady(self) -> list[str]:
        """Columns whose text never depends on a setting: an index may have it."""
        return [name for name, kind in self.columns.items() if kind in KEYS and kind not in {"timestamptz", "bytea"}]


@dataclass
class Database:
    """What has been made so far, and the statements that made it."""

    seed: int
    random: Random
    names: Names
    sql: list[str] = field(default_factory=list)
    schemas: list[str] = field(default_factory=lambda: ["public"])
    roles: list[str] = field(default_factory=list)
    types: dict[str, Callable[[Random], str]] = field(default_factory=lambda: {**OTHERS})
    tables: list[Table] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    routines: list[str] = field(default_factory=list)
    sequences: list[str] = field(default_factory=list)
    deferrable: set[str] = field(default_factory=set)
    """Tables whose key no other table can refer to."""
    given_beside: set[str] = field(default_factory=set)
    """The names that `beside` gave."""

    def say(self, statement: str) -> None:
        self.sql.append(statement)

    def new(self, space: str = "relation") -> str:
        """A qualified name that is free."""
        schema = self.random.choice(self.schemas)
        return f"{schema}.{self.names.new(f'{space} in {schema}')}"

    def beside(self, relation: str) -> str:
        """A free name, not qualified, for what lies in the schema of that relation: an index, a key.

        No other one has it, in any schema: a constraint comes down to children, which may lie elsewhere.
        """
        name = self.names.new(f"relation in {self.schema_of(relation)}")
        while name in self.given_beside:
            name = self.names.new(f"relation in {self.schema_of(relation)}")
        self.given_beside.add(name)
        return name

    def schema_of(self, relation: str) -> str:
        return next(one for one in sorted(self.schemas, key=len, reverse=True) if relation.startswith(f"{one}."))

    def chance(self, percent: int) -> bool:
        return self.random.randint(1, 100) <= percent

    def value(self, type_name: str) -> str:
        if self.chance(15):
            return "NULL"
        return (KEYS.get(type_name) or self.types[type_name])(self.random)
