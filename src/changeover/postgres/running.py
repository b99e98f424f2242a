"""Runs PostgreSQL's own client programs to their end: without a shell, passwords in the environment, ended with us."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from changeover.hosts.programs import as_user, last_lines
from changeover.postgres.location import Location


class ClientFailed(Exception):
    """The program's last words; holds no secret, as it never sees one but in its environment."""

    def __init__(self, program: str, said: str) -> None:
        super().__init__(said)
        self.program, self.said = program, said


async def run_client(
    arguments: Sequence[str | Path], location: Location | None = None, *, run_as: str | None = None
) -> bytes:
    """What it wrote. Raises ClientFailed. It has no work of its own worth keeping once nobody waits for it."""
    program = Path(arguments[0])
    environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": f"{program.parent}:{os.defpath}"}
    child = await asyncio.create_subprocess_exec(
        *as_user(run_as),
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment | (location.environment() if location else {}),
    )
    try:
        written, said = await child.communicate()
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        raise
    if child.returncode != 0:
        raise ClientFailed(program.name, last_lines(said.decode(errors="replace")))
    return written


def exactly(name: str) -> str:
    """A pattern of pg_dump's that only this name matches."""
    return '"' + name.replace('"', '""') + '"'
