"""The official CLI: the environment variables that point it to us, and running it with them."""

from __future__ import annotations

import os
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import click

from changeover.cli.local import become, takes_data_dir
from changeover.cli.session import Session, command
from changeover.cli.terminal import print_json, say
from changeover.client import Endpoint
from changeover.errors import ToolMissing
from changeover.settings import Settings


def exports(endpoint: Endpoint) -> dict[str, str]:
    """Variables for both CLIs. The official one uses the real Heroku unless its host is 127.0.0.1, so that is always the host."""
    here = f"{urlsplit(endpoint.url).scheme}://127.0.0.1:{endpoint.port}"
    return {
        "CHANGEOVER_URL": endpoint.url,
        "CHANGEOVER_API_KEY": endpoint.token,
        "HEROKU_HOST": here,
        "HEROKU_DATA_HOST": "127.0.0.1",
        "HEROKU_API_KEY": endpoint.token,
        "HEROKU_PARTICLEBOARD_URL": here,
        "HEROKU_LOGIN_HOST": here,
        "HEROKU_STATUS_HOST": here,
        "HEROKU_BUILDPACK_REGISTRY_URL": here,
        "PGDIAGNOSE_URL": "127.0.0.1",
        "DISABLE_TELEMETRY": "true",
        "HEROKU_DISABLE_AUTOUPDATE": "1",
        "HEROKU_SKIP_ANALYTICS": "1",
    }


@command()
@takes_data_dir
def env(session: Session, *, data_dir: Path | None) -> None:
    """Print environment variables that point both CLIs to this control plane: `eval "$(changeover env)"`."""
    found = exports(_endpoint(session.settings, data_dir))
    if session.wants_json:
        print_json(found)
        return
    for name, value in found.items():
        say(f"export {name}={shlex.quote(value)}")


def _endpoint(settings: Settings, data_dir: Path | None) -> Endpoint:
    # a given folder means its own server, whatever the environment says
    return Endpoint.find(replace(settings, home=data_dir.absolute(), url=None, api_key=None) if data_dir else settings)


@command(passes_unknown=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="-- ARGS")
def heroku(session: Session, *, words: tuple[str, ...]) -> NoReturn:
    """Run the official CLI against this control plane: `changeover heroku -- pg:info -a shop`."""
    found = shutil.which("heroku")
    if not found:
        raise ToolMissing(
            "The official CLI is not installed.",
            why="There is no `heroku` on PATH.",
            fix="Install it (with Node.js: npm install --global heroku), or use the same command of `changeover`.",
        )
    # it edits git's configuration in HOME, so it gets a separate one
    home = session.settings.home / "heroku-home"
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.update(exports(session.endpoint), HOME=str(home))
    become([found, *words, *(["--json"] if session.wants_json else [])])
