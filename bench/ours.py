"""One app with a database behind a pooler, on a control plane of its own, moved again and again."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.measured import CHANGEOVER, here

PLAN = "standard-0"
POOLED = "DATABASE_CONNECTION_POOL_URL"


@dataclass(frozen=True)
class Moved:
    """How a changeover ended: the moments of its phases in milliseconds, and how often it began the pause."""

    phases: dict[str, float]
    attempts: int = 1


@dataclass
class Ours:
    """The app is called shop. Every `move` leaves its database on a new server and removes the former."""

    data: Path
    names: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def say(self, *words: str) -> str:
        # in its own folder: `apps:create` adds a git remote to a checkout that it is typed in
        done = subprocess.run(
            [CHANGEOVER, *words], env=here(self.data), cwd=self.data, check=True, capture_output=True, text=True
        )
        return done.stdout

    def asked(self, *words: str) -> Any:
        return json.loads(self.say(*words, "--json"))

    def prepare(self, synchronous_commit: str) -> None:
        self.say("apps:create", "shop")
        self.say("addons:create", f"heroku-postgresql:{PLAN}", "--app", "shop", "--wait")
        self.say("pg:connection-pooling:attach", "DATABASE_URL", "--app", "shop")
        self.sql("CREATE TABLE orders (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())")
        self.sql(f"ALTER DATABASE {self.name()} SET synchronous_commit = {synchronous_commit}")

    def sql(self, query: str) -> None:
        self.say("pg:psql", "--app", "shop", "--command", query)

    def config(self, name: str) -> str:
        return self.say("config:get", name, "--app", "shop").strip()

    def name(self) -> str:
        return self.config("DATABASE_URL").rpartition("/")[2]

    def new_follower(self) -> str:
        """Its attachment; the URL is in the config var of that name with _URL."""
        name = f"FOLLOWER_{next(self.names)}"
        plan = f"heroku-postgresql:{PLAN}"
        self.say("addons:create", plan, "--app", "shop", "--as", name, "--wait", "--", "--follow", "DATABASE_URL")
        return name

    def move(self, to: str = PLAN) -> Moved:
        """To a plan, or to a follower that is there."""
        done = self.asked("pg:changeover", "--app", "shop", "--to", to, "--hold", "pooled", "--yes")
        self.say("addons:destroy", done["source"], "--app", "shop", "--confirm", "shop")
        return Moved({event["phase"]: event["at_s"] * 1000 for event in done["report"]["timeline"]}, done["attempts"])
