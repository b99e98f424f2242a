"""Releases: list, show, output of the release phase, rollback."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click

from changeover.cli.release_phase import copy_output, read_output
from changeover.cli.resolve import Record
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import Column, action, header, paint, print_json, rows, say, shell_quote, table, warn
from changeover.client import segment
from changeover.errors import ChangeoverError, Forbidden, NotFound

DID_NOT_START = "did not start"
NOTES = {"expired": "release expired", "failed": "release command failed", "pending": "release command executing"}


def _newest(session: Session, app: str, count: int) -> list[Record]:
    found: list[Record] = session.client.get(
        f"/apps/{segment(app)}/releases", order=f"version ..; max={count}, order=desc"
    )
    return found


def _numbered(session: Session, app: str, version: str) -> Any:
    return session.client.get(f"/apps/{segment(app)}/releases/{segment(version.lower().removeprefix('v'))}")


@command()
@takes_app
@click.option("--num", "-n", type=click.IntRange(1), default=15, show_default=True, help="Number of releases.")
def index(session: Session, *, app: str, num: int) -> None:
    """List an app's releases, newest first."""
    found = sorted(_newest(session, app, num), key=lambda release: -int(release["version"]))

    def show() -> None:
        if not found:
            say(f"{paint('app', app)} has no releases.")
            return
        current = next((release for release in found if release.get("current")), None)
        header(
            f"{paint('app', app)} Releases"
            + (f" - {paint('name', 'Current: v' + str(current['version']))}" if current else "")
        )
        columns = [
            Column("v", lambda release: paint("name", f"v{release['version']}")),
            Column("description", _annotated),
            Column("user", lambda release: (release.get("user") or {}).get("email", "")),
            Column("created_at", lambda release: ago(release["created_at"])),
        ]
        table(found, columns)

    session.tell(found, show)


def _note(release: Record) -> str | None:
    """Earlier versions have no `failure`. Then only a release command can have failed, if there was one."""
    if release.get("status") == "failed" and (failure := release.get("failure")):
        return "web dynos did not start" if DID_NOT_START in failure else "failed before its dynos ran"
    if release.get("status") == "failed" and not release.get("output_stream_url"):
        return "web dynos did not start"
    return NOTES.get(release.get("status", ""))


def _annotated(release: Record) -> str:
    note = _note(release)
    return f"{release['description']} {paint('caution', note)}" if note else str(release["description"])


def ago(iso: str, now: datetime | None = None) -> str:
    """`2026/01/01 00:00:00 +0000`, and within a day `(~ 3h ago)`."""
    moment = datetime.fromisoformat(iso).astimezone(UTC)
    age_s = int(((now or datetime.now(UTC)) - moment).total_seconds())
    text = moment.strftime("%Y/%m/%d %H:%M:%S %z")
    for unit, unit_s, below_s in (("s", 1, 60), ("m", 60, 3600), ("h", 3600, 90000)):
        if age_s < below_s:
            return f"{text} (~ {max(age_s, 0) // unit_s}{unit} ago)"
    return text


@command()
@click.argument("version", metavar="[RELEASE]", required=False)
@takes_app
@click.option("--shell", "-s", is_flag=True, help="Print config vars in shell format.")
def info(session: Session, *, version: str | None, app: str, shell: bool) -> None:
    """Show details of a release, by default of the latest one."""
    release = _numbered(session, app, version) if version else next(iter(_newest(session, app, 10)), None)
    if release is None:
        raise NotFound(
            f"{app} has no releases.", fix="Its first change creates one: `changeover config:set KEY=VALUE`."
        )

    def show() -> None:
        config = _config_of(session, app, release)
        note = _note(release)
        header(f"Release {paint('name', 'v' + str(release['version']))}")
        rows(
            {
                "Add-ons": release.get("addon_plan_names") or [],
                "By": (release.get("user") or {}).get("email"),
                "Change": release["description"] + (f" ({note})" if note else ""),
                **({"Failure": release["failure"]} if release.get("failure") else {}),
                "Eligible for Rollback?": "Yes" if release.get("eligible_for_rollback") else "No",
                "When": release["created_at"],
            }
        )
        say()
        header(f"{paint('name', 'v' + str(release['version']))} Config vars")
        if config is None:
            say(
                "Hidden: reading config vars requires the permission deploy or operate, and a token that may read secrets."
            )
        elif shell:
            for name, value in config.items():
                say(f"{name}={shell_quote(value)}")
        else:
            rows(config)

    session.tell(release, show)


def _config_of(session: Session, app: str, release: Record) -> dict[str, str] | None:
    """None if the account or the token may see the release, but not its secrets."""
    try:
        config: dict[str, str] = session.client.get(f"/apps/{segment(app)}/releases/{release['version']}/config-vars")
    except ChangeoverError as error:
        if error.id != Forbidden.id:
            raise
        return None
    return config


@command()
@click.argument("version", metavar="[RELEASE]", required=False)
@takes_app
def output(session: Session, *, version: str | None, app: str) -> None:
    """Show the output of a release's release phase, by default of the latest release."""
    release = _numbered(session, app, version) if version else next(iter(_newest(session, app, 10)), None)
    if release is None:
        raise NotFound(
            f"{app} has no releases.", fix="Its first change creates one: `changeover config:set KEY=VALUE`."
        )
    url = release.get("output_stream_url")
    if session.wants_json:
        print_json({"version": release["version"], "output": read_output(url) if url else None})
    elif not url:
        warn(f"Release v{release['version']} has no release output available.")
    elif not copy_output(url):
        warn("Release command not started yet. Please try again in a few seconds.")


@command()
@click.argument("version", metavar="[RELEASE]", required=False)
@takes_app
def rollback(session: Session, *, version: str | None, app: str) -> None:
    """Roll back to an earlier release, by default to the previous one."""
    if version:
        target = _numbered(session, app, version)
    else:
        eligible = [release for release in _newest(session, app, 10) if release.get("eligible_for_rollback")]
        if len(eligible) < 2:
            raise NotFound(
                f"No eligible release found for {app} to roll back to.", fix=f"See `changeover releases --app {app}`."
            )
        target = eligible[1]
    with action(f"Rolling back {paint('app', app)} to {paint('good', 'v' + str(target['version']))}") as doing:
        latest = session.client.post(f"/apps/{segment(app)}/releases", {"release": target["id"]})
        doing.says = f"done, {paint('good', 'v' + str(latest['version']))}"
    warn("Rollback affects code and config vars; it doesn't add or remove addons.")
    warn(f"To undo, run: {paint('code', 'changeover rollback v' + str(latest['version'] - 1))}")
    session.tell(latest, lambda: _say_output(latest, app))


def _say_output(release: Record, app: str) -> None:
    url = release.get("output_stream_url")
    if not url:
        return
    say("Running release command...")
    if not copy_output(url):
        see = paint("code", f"changeover releases:output --app {app}")
        warn(f"Release command starting. Use {see} to view the log.")
