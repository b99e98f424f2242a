"""How the writers of a source are held back while it is copied, and let go afterwards. Each way is safe to repeat.

`none`: they go on, and the copy is the source at one moment. `read-only`: new sessions can't write, old ones are ended.
`pgbouncer`: its clients wait. `command`: whatever the person's own commands do.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from changeover.changeovers.holds.pgbouncer import leading_to, pause, resume
from changeover.changeovers.methods.snapshot.options import Hooks
from changeover.errors.elsewhere import HookFailed
from changeover.hosts.programs import last_lines
from changeover.postgres.certificate_files import url_with_files
from changeover.postgres.location import Location
from changeover.postgres.reaching import reach
from changeover.postgres.read_only import (
    end_sessions,
    roles_that_write_all_the_same,
    set_read_only,
    setting_before,
)

HOOK_S = 600.0
NAME = "changeover hold"


@dataclass(frozen=True)
class Ends:
    """Both sides of one migration, and its number."""

    run_id: int
    source: Location
    target: Location
    authority: Path
    """Our own, whose file stays: an address with it can be kept."""


@dataclass(frozen=True)
class Held:
    """`waits_for` names who is still in the way, `remarks` what people should know, `changed` what is to be remembered."""

    waits_for: list[str]
    remarks: list[str]
    changed: dict[str, object]


async def begin(hold: str, ends: Ends, hooks: Hooks) -> dict[str, object]:
    """What is to be remembered before anything is changed, so that it can be put back."""
    if hold == "pgbouncer":
        return {"hold": hold, "databases": await leading_to(str(hooks.pgbouncer), ends.source)}
    if hold != "read-only":
        return {"hold": hold}
    async with reach(ends.source, application_name=NAME) as connection:
        return {"hold": hold, "before": await setting_before(connection)}


async def take(changed: dict[str, object], ends: Ends, hooks: Hooks) -> Held:
    """Hold them. Raises HoldFailed, HookFailed, ServerUnreachable."""
    hold = changed["hold"]
    if hold == "read-only":
        return await _read_only(changed, ends)
    if hold == "pgbouncer":
        await pause(str(hooks.pgbouncer), _names(changed))
    if hold == "command":
        await run_hook("hold", hooks.on_hold, ends)
    return Held([], [], changed)


async def _read_only(changed: dict[str, object], ends: Ends) -> Held:
    hidden = changed.get("hidden")
    async with reach(ends.source, application_name=NAME, is_read_only=False) as connection:
        await set_read_only(connection, ends.source)
        sessions = await end_sessions(connection, hidden=hidden if isinstance(hidden, list) else None)
        defiant = await roles_that_write_all_the_same(connection)
    remarks = [f"{name} has a setting of its own by which it may still write" for name in defiant]
    return Held(sessions.left, remarks, {**changed, "hidden": sessions.hidden})


async def let_go(changed: dict[str, object], ends: Ends, hooks: Hooks, *, outcome: str) -> list[str]:
    """`outcome` is `done` or `aborted`. After `done` a read-only source stays so: its writers belong to the target.

    Returns, in words, the sessions that began during the hold, can't write, and don't end.
    """
    hold, left = changed["hold"], list[str]()
    if hold == "read-only" and outcome != "done":
        async with reach(ends.source, application_name=NAME, is_read_only=False) as connection:
            before = changed.get("before")
            await set_read_only(connection, ends.source, value=None if before is None else str(before))
            left = (await end_sessions(connection)).left
    if hold == "pgbouncer":
        await resume(str(hooks.pgbouncer), _names(changed))
    await run_hook("release", hooks.on_release, ends, outcome=outcome)
    return left


def _names(changed: dict[str, object]) -> list[str]:
    found = changed["databases"]
    assert isinstance(found, list)  # noqa: S101 - as `begin` wrote it
    return found


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
            fix="Mend it, then give the same command again: it goes on from there. Or call it off with --abort.",
        )
