"""The user's own commands around a hold: run without a shell, with both addresses in their environment."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import subprocess
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

from changeover.changeovers.ends.addresses import Ends
from changeover.errors.elsewhere import HookFailed
from changeover.hosts.programs import last_lines
from changeover.platform.secrets import Cipher
from changeover.postgres.certificate_files import url_with_files
from changeover.store.changeover_rows import ChangeoverRow

HOOK_S = 600.0


@dataclass(frozen=True)
class Hooks:
    """The user's commands, and the console of their pooler. All may hold secrets."""

    on_hold: str | None = None
    on_switch: str | None = None
    on_release: str | None = None
    pgbouncer: str | None = None

    @classmethod
    def of(cls, row: ChangeoverRow, cipher: Cipher) -> Hooks:
        return cls(**json.loads(cipher.decrypt(row.hooks))) if row.hooks else cls()

    @property
    def are_none(self) -> bool:
        return not any(self.as_dict().values())

    def as_dict(self) -> dict[str, str | None]:
        return asdict(self)

    def sealed(self, cipher: Cipher) -> bytes | None:
        """Encrypted for our state; None without any."""
        return None if self.are_none else cipher.encrypt(json.dumps(self.as_dict()))


HOOKS = tuple(one.name for one in fields(Hooks))


async def run_hook(phase: str, command: str | None, ends: Ends, *, outcome: str = "") -> None:
    """Without a shell; both addresses come in its environment. Raises HookFailed with its last lines."""
    if not command:
        return
    words = shlex.split(command)
    program = shutil.which(words[0])
    if program is None:
        raise HookFailed(f"There is no program {words[0]!r} for --on-{phase}.", fix="Name it with its whole path.")
    surroundings = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(Path.home()),
        "CHANGEOVER_RUN": str(ends.run_id), "CHANGEOVER_PHASE": phase, "CHANGEOVER_OUTCOME": outcome,
    }  # fmt: skip
    try:
        with TemporaryDirectory(prefix="changeover-hook-") as folder:
            surroundings |= {f"{side.upper()}_URL": url_with_files(where, Path(folder, side), ends.authority) for side, where in
                             (("source", ends.source), ("target", ends.target))}  # fmt: skip
            done = await asyncio.to_thread(
                subprocess.run, [program, *words[1:]], env=surroundings, cwd="/", stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=HOOK_S, check=False,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise HookFailed(f"The command for --on-{phase} did not end within {HOOK_S:.0f} seconds.") from None
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace")
        for secret in filter(None, (ends.source.password, ends.target.password)):
            said = said.replace(secret, "…")
        raise HookFailed(
            f"The command for --on-{phase} failed with exit code {done.returncode}.",
            why=last_lines(said),
            fix="Fix it, then run the same command again: it continues from there. Or abort it with --abort.",
        )
