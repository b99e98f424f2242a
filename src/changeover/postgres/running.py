"""Runs PostgreSQL's client programs: without a shell, with passwords in the environment. They end when we end."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from changeover.hosts.programs import as_user, last_lines
from changeover.postgres.libpq import addresses_of, told
from changeover.postgres.location import Location


class ClientFailed(Exception):
    """The program's last output. Contains no secret: programs get secrets only in their environment."""

    def __init__(self, program: str, said: str) -> None:
        super().__init__(said)
        self.program, self.said = program, said


async def run_client(
    arguments: Sequence[str | Path], location: Location | None = None, *, run_as: str | None = None
) -> bytes:
    """The program's output. Raises ClientFailed, AddressNotAllowed. Killed when the caller is cancelled."""
    program = Path(arguments[0])
    environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": f"{program.parent}:{os.defpath}"}
    if location is None:
        return await _run([*as_user(run_as), *arguments], program, environment, ())
    try:
        addresses = await addresses_of(location)
    except (OSError, UnicodeError) as unknown:
        raise ClientFailed(program.name, f"failed to resolve host {location.host!r}: {unknown}") from None
    with told(location, addresses, user=run_as) as wanted:
        words = [*as_user(run_as), *arguments]
        return await _run(words, program, environment | wanted.environment(), wanted.files)


async def _run(
    arguments: Sequence[str | Path], program: Path, environment: Mapping[str, str], files: Sequence[int]
) -> bytes:
    child = await asyncio.create_subprocess_exec(
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        pass_fds=files,
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
    """A pg_dump pattern that matches only this name."""
    return '"' + name.replace('"', '""') + '"'
