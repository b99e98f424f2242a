"""Writes a location's certificates to files, for programs such as pg_dump. Our own connections need no files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from changeover.postgres.certificates import SYSTEM
from changeover.postgres.location import Location, written

NAMES = {"sslrootcert": "root.crt", "sslcert": "client.crt", "sslkey": "client.key", "sslcrl": "root.crl"}
SECRET = ("sslkey",)


def write_certificates(location: Location, folder: Path, *, is_for_all: bool = False) -> dict[str, str]:
    """Paths by parameter. The operator's own paths and `system` stay. `is_for_all`: every user of this host may read them."""
    made: dict[str, str] = {**location.certificates, **location.files}
    texts = {name: text for name, text in made.items() if name not in location.files and text != SYSTEM}
    for name, text in texts.items():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / NAMES[name]
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(text)
        if is_for_all and name not in SECRET:
            file.chmod(0o644)
        made[name] = str(file)
    if texts and is_for_all:
        folder.chmod(0o755)
    return made


def url_with_files(location: Location, folder: Path, authority: Path) -> str:
    """The URL with its password and with file paths. Uses `authority` if its content matches, else writes into `folder`."""
    if authority.is_file() and location.parameters.get("sslrootcert") == authority.read_text():
        location = replace(location, files={**location.files, "sslrootcert": str(authority)})
    return written({**location.parameters, **write_certificates(location, folder)})
