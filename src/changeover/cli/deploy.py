"""`deploy`: makes a folder an app's next release. packing.py decides which files are sent."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from urllib.parse import quote

import click

from changeover.cli.logs import show_last_lines
from changeover.cli.packing import IGNORED, members, pack
from changeover.cli.release_phase import LONGEST_S, copy_output, looks
from changeover.cli.resolve import Record
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import action, paint, print_json, rows, say, warn
from changeover.client import poll, segment
from changeover.errors import Misused, NoAnswer, ReleaseFailed, Reported
from changeover.quantities import counted

IN_MEMORY_BYTES = 8 << 20
LOOK_EVERY_S = 0.3
LAST_LINES = 20


@command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@takes_app
@click.option("--description", "-m", help="Description of the release.")
def deploy(session: Session, *, folder: Path, app: str, description: str | None) -> None:
    """Deploy a folder with a Procfile as the app's next release: `deploy . --app shop`."""
    _require_procfile(folder)
    former = session.client.get(f"/apps/{segment(app)}/releases", order="version ..; max=10, order=desc")
    sent = _send(session, folder, app, description)
    if not session.wants_json:
        rows({name: paint("code", text) for name, text in sent["process_types"].items()})
        say(f"Released {paint('name', 'v' + str(sent['release']['version']))}")
    release = _await_end(session, app, sent["release"])
    if release["status"] != "succeeded" and not release.get("failure"):
        raise _failure(app, release, next((each for each in former if each.get("current")), None))
    release = _await_dynos(session, app, sent, release)
    if session.wants_json:
        print_json({**sent, "release": release})


def _require_procfile(folder: Path) -> None:
    if "Procfile" in {str(path) for path in members(folder)} and (folder / "Procfile").is_file():
        return
    raise Misused(
        f"{folder} has no Procfile.",
        why="It has one line for each process type of the app: a name, a colon, a command. "
        f"Nothing was sent. (Files listed in {IGNORED} are never sent.)",
        fix="Create a file named Procfile there, for example with the line `web: python app.py`. Each other type needs its own"
        " line.",
    )


def _send(session: Session, folder: Path, app: str, description: str | None) -> Record:
    """The server's answer, after printing the number of files."""
    query = f"?description={quote(description, safe='')}" if description else ""
    with (
        tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as archive,
        action(f"Deploying {folder} to {paint('app', app)}") as doing,
    ):
        packed = pack(folder, archive)
        archive.seek(0)
        digest = hashlib.file_digest(archive, "sha256").digest()
        archive.seek(0)
        answer: Record = session.client.upload(
            f"/changeover/v1/apps/{segment(app)}/deploys{query}",
            archive,
            size_bytes=packed.size_bytes,
            kind="application/gzip",
            sha256=digest,
        )
        files = counted(packed.files, "file")
        doing.says = f"done, {files}, {packed.size_bytes} bytes packed"
    return {**answer, "files": packed.files}


def _await_end(session: Session, app: str, made: Record) -> Record:
    """The release after its release phase has ended. Shows the output of a running release phase."""
    is_announced = is_shown = session.wants_json
    for release in looks(session.client, app, made["version"], timeout_s=LONGEST_S):
        url = release.get("output_stream_url")
        if url and not is_announced:
            say("Running release command...")
            is_announced = True
        if url and not is_shown:
            is_shown = _show_output(url)
    if release["status"] == "pending":
        raise NoAnswer(
            f"The release phase of v{release['version']} did not end in time.",
            fix=f"See `changeover releases --app {app}`.",
        )
    return release


def _await_dynos(session: Session, app: str, sent: Record, release: Record) -> Record:
    """The release once its dynos have started. If they fail, prints their last log lines and raises the error."""
    if not sent["run"]:
        return release
    with action(f"Starting dynos of {paint('app', app)}") as doing:
        for run in poll(lambda: session.client.get(f"/changeover/v1/runs/{sent['run']}"), every_s=LOOK_EVERY_S):
            if run["finished_at"]:
                break
        doing.says = "done" if run["status"] == "done" else "failed"
    if run["status"] != "done":
        show_last_lines(session, app, LAST_LINES)
        raise Reported(run["error"] or {"what": f"Release v{release['version']} of {app} failed."})
    fresh: Record = session.client.get(f"/apps/{segment(app)}/releases/{release['version']}")
    return fresh


def _show_output(url: str) -> bool:
    """Whether the output was shown, even in part. Interrupted output is not shown twice."""
    try:
        return copy_output(url)
    except NoAnswer as error:
        warn(f"{error.what} {error.fix}")
        return True


def _failure(app: str, release: Record, former: Record | None) -> ReleaseFailed:
    runs_on = f"v{former['version']} continues to run." if former else "Nothing was changed."
    return ReleaseFailed(
        f"Release v{release['version']} of {app} failed.",
        why=f"Its release phase was unsuccessful. {runs_on}",
        fix=f"See its output: `changeover releases:output v{release['version']} --app {app}`, correct it and deploy again.",
    )
