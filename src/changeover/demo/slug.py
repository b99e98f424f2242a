"""The shop as a folder to deploy, with its driver in `vendor`, and the interpreter that runs it.

As root, dynos run as a system user that may not be able to read this environment.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from pathlib import Path

import psycopg

from changeover.errors import DemoFailed

SHOP = Path(__file__).parent / "shop"
VENDORED = ("psycopg", "psycopg_binary", "psycopg_binary.libs", "typing_extensions.py")
APP_USER = "changeover-app"
DYNO_PATH = "/usr/local/bin:/usr/bin:/bin"


def make_slug(folder: Path) -> None:
    """Procfile and code of the shop, and the installed driver."""
    ignored = shutil.ignore_patterns("__pycache__", "Procfile")
    shutil.copytree(SHOP, folder / "shop", ignore=ignored)
    shutil.copy2(SHOP / "Procfile", folder)
    packages = Path(psycopg.__file__).parents[1]
    for name in VENDORED:
        source, target = packages / name, folder / "vendor" / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=ignored)
        elif source.exists():
            shutil.copy2(source, target)


def make_notes_folder(folder: Path, *, for_dynos: bool) -> None:
    """The worker writes there, and we read."""
    folder.mkdir(mode=0o700)
    if for_dynos and os.geteuid() == 0:
        folder.chmod(0o1733)  # dynos have a user that we don't know


async def python_for_dynos() -> str:
    """An interpreter of our version, because the driver is compiled for it. Raises DemoFailed if dynos can't run one."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    of_system = shutil.which(f"python{version}", path=DYNO_PATH)
    for program in (getattr(sys, "_base_executable", sys.executable), of_system):
        if program and await _runs(program, version):
            return str(program)
    raise DemoFailed(
        f"The shop's dynos can't run Python {version}.",
        said=f"They run as {APP_USER}, which can't run {sys.executable}, and there is no python{version} in {DYNO_PATH}.\n"
        "Install it there, or run `changeover demo --database-only`, which needs no dynos.",
    )


async def _runs(program: str, version: str) -> bool:
    """Whether dynos can run it and it has that version."""
    who: dict[str, object] = {"user": APP_USER, "group": APP_USER, "extra_groups": []} if os.geteuid() == 0 else {}
    ask = "import ssl, sys; print('%d.%d' % sys.version_info[:2])"
    try:
        process = await asyncio.create_subprocess_exec(
            *(program, "-I", "-c", ask),
            cwd="/",
            env={"PATH": DYNO_PATH},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            **who,  # type: ignore[arg-type]  # its stub does not know these keywords together
        )
    except OSError:
        return False
    said = (await process.communicate())[0]
    return process.returncode == 0 and said.decode().strip() == version
