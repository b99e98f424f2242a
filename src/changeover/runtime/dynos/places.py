"""The files of dynos, and the marks that identify the processes of a dyno.

In HOME/runtime: programs/ for supervisord, sheets/ for the launcher (with secrets, mode 0600), pipes/ for dynos' output,
started/ for pids, once/ for one-offs' exit codes, users/ for the uid of each app. HOME/apps/APP has the app's code and what
its dynos write.
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
    """The folders of one installation's dynos. `run_as` is their user when we are root but can't give each app its own."""

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
        """Its output before it opens its own log."""
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
        """Writing a byte to this pipe makes the log keeper look for changes."""
        return self.pipes / ".poke"

    @property
    def users(self) -> AppUsers:
        return AppUsers(self.folder / "users", self.identity, self.run_as)

    def of_app(self, app: str) -> Path:
        """Its code and what its dynos write. Other users have no access."""
        return self.home / "apps" / app

    def written(self, key: str) -> Path:
        """What one dyno writes: its `home` and /tmp. The folder itself is ours."""
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
        """The pid and start time of its first process, written by the launcher."""
        return self.folder / "started" / key

    def exit(self, key: str) -> Path:
        """A one-off's exit code."""
        return self.folder / "once" / key

    def lock(self, name: str) -> Path:
        return self.folder / f"{name}.lock"

    @property
    def identity(self) -> str:
        """Distinguishes this installation's processes from those of others on the same host."""
        return hashlib.sha256(os.fsencode(self.home.resolve())).hexdigest()[:16]

    def mark(self, key: str) -> str:
        """A value in the environment of every process of a dyno."""
        app, name, kind = parts_of(key)
        return f"{self.identity}/{app}/{name}/{kind}"

    def make(self) -> None:
        """Create all folders, accessible only to us."""
        for folder in (self.folder, *(self.folder / n for n in ("programs", "sheets", "pipes", "started", "once"))):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in (self.home / "log", self.app_logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.sockets.mkdir(parents=True, exist_ok=True)

    def make_pipe(self, key: str) -> None:
        """The pipe belongs to the dynos' user, so that they can reopen their standard output (`> /dev/stdout`)."""
        path = self.pipe(key)
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        os.chown(path, *self.users.ids(parts_of(key)[0]))

    def make_written(self, key: str) -> None:
        """The app's group may traverse these folders, so that dynos reach their code and their own folders."""
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
        """Remove all files of an ended dyno. The log keeper still reads its unlinked pipe to the end."""
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
    """Let one more user besides owner and group traverse the folder, if the file system has ACLs.

    An older version runs dynos as this user: those it left running, and all of them after a downgrade.
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
    """Remove a folder that a dyno has filled, with an external program in the background: it may be deep and large."""
    gone = folder.with_name(f".gone-{secrets.token_hex(4)}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    removing = ["/bin/rm", "-rf", "--one-file-system", "--", str(gone)]
    threading.Thread(target=subprocess.run, args=[removing], kwargs={"check": False}, name="rm", daemon=False).start()


def parts_of(key: str) -> tuple[str, str, str]:
    """A key is APP.TYPE.NUMBER.KIND. KIND is `once`, or a value that differs between successive instances of web.1."""
    app, name, kind = key.split(".", 1)[0], ".".join(key.split(".")[1:3]), key.rpartition(".")[2]
    return app, name, kind
