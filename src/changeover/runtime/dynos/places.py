"""Where the parts of dynos lie, and the marks that tell which process belongs to which dyno.

Below HOME/runtime: programs/ what supervisord reads, sheets/ what the launcher reads (secrets: 0600), pipes/ what dynos
write to, started/ their pids, once/ what one-offs left behind, users/ the uid of each app. Below HOME/apps/APP: the app's code,
and what its dynos write.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import struct
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path

from changeover.hosts.programs import owner_ids
from changeover.runtime.dynos.app_users import AppUsers

SAFE_APP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
SAFE_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}\.[0-9]{1,9}")
ONCE, ATTACHED = "once", "attached"
MARK = "CHANGEOVER_DYNO"


@dataclass(frozen=True)
class Places:
    """The folders of one installation's dynos. `run_as`: the user of dynos when we are root and can't give each app its own."""

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

    @property
    def users(self) -> AppUsers:
        return AppUsers(self.folder / "users", self.identity, self.run_as)

    def of_app(self, app: str) -> Path:
        """Its code, and what its dynos write. Others can't enter."""
        return self.home / "apps" / app

    def written(self, key: str) -> Path:
        """What one dyno writes: `home`, and its /tmp. The folder itself is ours."""
        return self.of_app(parts_of(key)[0]) / "dynos" / key

    def environment(self, key: str) -> Path:
        """A one-off's environment, until its launcher has read it."""
        return self.folder / "sheets" / f"{key}.environment"

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
        os.chown(path, *self.users.ids(parts_of(key)[0]))

    def make_written(self, key: str) -> None:
        """The app's group may pass through, so that its dynos reach their code and their own folders."""
        uid, gid = self.users.ids(parts_of(key)[0])
        written = self.written(key)
        self.of_app(parts_of(key)[0]).parent.mkdir(exist_ok=True, parents=True)
        self.of_app(parts_of(key)[0]).parent.chmod(0o711 if self.run_as else 0o700)
        for folder in (written.parent.parent, written.parent, written):
            folder.mkdir(exist_ok=True)
            os.chown(folder, -1, gid)
            folder.chmod(0o750)
        if self.run_as:
            let_pass(written.parent.parent, owner_ids(self.run_as)[0])
        home = written / "home"
        home.mkdir(exist_ok=True, mode=0o700)
        os.chown(home, uid, gid)

    def remove(self, key: str) -> None:
        """All files of a dyno that has ended. The log keeper reads the pipe to its end although it has no name any more."""
        files = (
            self.program(key),
            self.sheet(key),
            self.environment(key),
            self.started(key),
            self.pipe(key),
            self.exit(key),
        )
        for path in files:
            path.unlink(missing_ok=True)
        remove_aside(self.written(key))


def let_pass(folder: Path, uid: int) -> None:
    """Beside owner and group, one more user may pass through it, where the file system has ACLs.

    That is the user that a former version runs dynos as: those it has left running, and all of them if it comes back.
    """
    owner, user, group, mask, others, nobody = 0x01, 0x02, 0x04, 0x10, 0x20, 0xFFFFFFFF
    entries = [(owner, 7, nobody), (user, 1, uid), (group, 5, nobody), (mask, 5, nobody), (others, 0, nobody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(folder, "system.posix_acl_access", acl)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise


def remove_aside(folder: Path) -> None:
    """Remove a folder that a dyno has filled, by a program: it may be deep, and large. Nobody waits for it."""
    gone = folder.with_name(f".gone-{secrets.token_hex(4)}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    removing = ["/bin/rm", "-rf", "--one-file-system", "--", str(gone)]
    threading.Thread(target=subprocess.run, args=[removing], kwargs={"check": False}, name="rm", daemon=False).start()


def parts_of(key: str) -> tuple[str, str, str]:
    """A key is APP.TYPE.NUMBER.KIND; KIND is `once`, or tells one incarnation of web.1 from the next."""
    app, name, kind = key.split(".", 1)[0], ".".join(key.split(".")[1:3]), key.rpartition(".")[2]
    return app, name, kind
