"""Finds the app of a checkout by its git remotes. session.py has the other ways to choose an app."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from changeover.errors import Misused

OUR_REMOTES = ("heroku", "changeover")
_APP_OF_URL = re.compile(r"[/:]([a-z][a-z0-9-]*)\.git$")


def find_app(remote: str | None) -> str | None:
    """The app of git remote `remote`, or the one that all our remotes have. None without a remote of ours."""
    listing = git_remotes()
    apps = apps_of_remotes(listing, [remote] if remote else OUR_REMOTES)
    if remote and not apps:
        raise Misused(
            f"The git remote {remote} has no app.",
            why="There is no such remote, or its address does not end with /APP.git.",
            fix="See `git remote -v`, or repeat the command with --app NAME.",
        )
    if len(set(apps.values())) > 1:
        raise Misused(
            "Multiple apps in git remotes.",
            why=", ".join(f"{name} is {app}" for name, app in apps.items()) + ".",
            fix=f"Repeat the command with --remote {next(iter(apps))} or --app NAME.",
        )
    return next(iter(apps.values()), None)


def apps_of_remotes(listing: str, names: Sequence[str]) -> dict[str, str]:
    """Remote → app for the remotes in `names`, from the output of `git remote -v`."""
    found = {}
    for line in listing.splitlines():
        name, _, address = line.partition("\t")
        app = _APP_OF_URL.search(address.rsplit(" (", 1)[0])
        if name in names and app:
            found[name] = app[1]
    return found


def git_remotes() -> str:
    """The output of `git remote -v`. Empty outside a checkout or without git."""
    try:
        asked = subprocess.run(["git", "remote", "-v"], capture_output=True, text=True, check=False, timeout=10)
    except FileNotFoundError:
        return ""
    return asked.stdout if asked.returncode == 0 else ""
