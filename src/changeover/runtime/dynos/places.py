"""Where the parts of dynos lie, and the marks that tell which process belongs to which dyno.

Below HOME/runtime: programs/ what supervisord reads, sheets/ what the launcher reads (secrets: 0600), pipes/ what dynos
write to, started/ their pids, once/ what one-offs left behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from changeover.hosts.programs import owner_ids

SAFE_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.[0-9]{1,9}")
ONCE, ATTACHED = "once", "attached"
MARK = "CHANGEOVER_DYNO"


@dataclass(frozen=True)
class Places:
    """The folders of one installation's dynos. `run_as`: whom dynos run as when we are root."""

    home: Path
    sockets: Path
    run_as: str | None = None

    @property
    def folder(self) -> Path:
        return self.home / "runtime"

    @property
    def configuration(self) -> Path:
        return self.folder / "supervisord.conf"

    @property
    def supervisor_pid(self) -> Path:
        return self.folder / "supervisord.pid"

    @property
    def supervisor_log(self) -> Path:
        return self.home / "log" / "supervisord.log"

    @property
    def supervisor_said(self) -> Path:
        """What it said before it had its own log."""
        return self.home / "log" / "supervisord.stderr"

    @property
    def keeper_said(self) -> Path:
        return self.home / "log" / "log-keeper.stderr"

    @property
    def socket(self) -> Path:
        return self.sockets / "supervisor"

    @property
    def app_logs(self) -> Path:
        return self.home / "log" / "apps"

    @property
    def pipes(self) -> Path:
        return self.folder / "pipes"

    @property
    def poke(self) -> Path:
        """A byte in this pipe tells the log keeper that there is something new."""
        return self.pipes / ".poke"

    def program(self, key: str) -> Path:
        return self.folder / "programs" / f"{key}.conf"

    def sheet(self, key: str) -> Path:
        return self.folder / "sheets" / f"{key}.json"

    def pipe(self, key: str) -> Path:
        return self.pipes / key

    def started(self, key: str) -> Path:
        """The pid and start time of its first process, as the launcher wrote them."""
        return self.folder / "started" / key

    def exit(self, key: str) -> Path:
        """A one-off's exit code."""
        return self.folder / "once" / key

    def lock(self, name: str) -> Path:
        return self.folder / f"{name}.lock"

    @property
    def identity(self) -> str:
        """Tells this installation's processes from those of others on the same host."""
        return hashlib.sha256(os.fsencode(self.home.resolve())).hexdigest()[:16]

    def mark(self, key: str) -> str:
        """What the environment of each process of a dyno carries."""
        app, name, kind = parts_of(key)
        return f"{self.identity}/{app}/{name}/{kind}"

    def make(self) -> None:
        """All folders; only we can enter them."""
        for folder in (self.folder, *(self.folder / n for n in ("programs", "sheets", "pipes", "started", "once"))):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.home / "log", self.app_logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.sockets.mkdir(parents=True, exist_ok=True)

    def make_pipe(self, key: str) -> None:
        """It belongs to the dynos' user, who may open its own standard output again (`> /dev/stdout`)."""
        path = self.pipe(key)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        os.chown(path, *owner_ids(self.run_as))

    def remove(self, key: str) -> None:
        """All files of a dyno that has ended. The log keeper reads the pipe to its end although it has no name any more."""
        for path in (self.program(key), self.sheet(key), self.started(key), self.pipe(key), self.exit(key)):
            path.unlink(missing_ok=True)


def parts_of(key: str) -> tuple[str, str, str]:
    """A key is APP.TYPE.NUMBER.KIND; KIND is `once`, or tells one incarnation of web.1 from the next."""
    app, name, kind = key.split(".", 1)[0], ".".join(key.split(".")[1:3]), key.rpartition(".")[2]
    return app, name, kind
