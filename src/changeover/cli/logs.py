"""`logs`: log lines of apps, router and platform. logstream.py reads the stream."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable

import click

from changeover.cli.logstream import lines_of
from changeover.cli.resolve import Record
from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import is_colourful, mention
from changeover.client import segment
from changeover.errors import Misused

_LINE = re.compile(r"(?P<at>\S+) (?P<source>[\w-]+)\[(?P<dyno>[^\]]+)\]: ?(?P<text>.*)")
_FAILURES = re.compile(r"\b(at=error|code=[A-Z]\d+|status=5\d\d)\b")
_COLOURS = {"run": "33", "router": "32", "web": "36", "postgres": "35", "heroku-postgres": "34"}
_FURTHER = ("38;5;43", "38;5;212", "38;5;185", "38;5;117", "38;5;214")


@command()
@takes_app
@click.option("--tail", "-t", is_flag=True, help="Follow new lines until Ctrl-C.")
@click.option("--num", "-n", type=click.IntRange(1), default=100, show_default=True, help="Number of lines.")
@click.option("--process-type", "--ps", "-p", "kind", metavar="TYPE", help="Only dynos of this type, such as web.")
@click.option("--dyno-name", "--dyno", "-d", "dyno", metavar="DYNO", help="Only this dyno, such as web.1.")
@click.option("--source", "-s", help="Only this source: app or heroku.")
def index(
    session: Session, *, app: str, tail: bool, num: int, kind: str | None, dyno: str | None, source: str | None
) -> None:
    """Show the logs of an app, or follow them. With --json, prints one object per line."""
    if kind and dyno:
        raise Misused("--dyno-name and --process-type exclude each other.", fix="Use only one of them.")
    show_logs(session, app, dyno=dyno or kind, source=source, lines=num, tail=tail)


def show_logs(
    session: Session,
    app: str,
    *,
    dyno: str | None = None,
    source: str | None = None,
    lines: int | None = None,
    tail: bool = False,
) -> None:
    """Print log lines until the stream ends, or until Ctrl-C, which is the normal end of a tail."""
    body = {"tail": tail, "lines": lines, "dyno": dyno, "source": source}
    opened = session.client.post(
        f"/apps/{segment(app)}/log-sessions", {key: value for key, value in body.items() if value is not None}
    )
    try:
        _print(lines_of(opened["logplex_url"], follows=tail), as_json=session.wants_json)
    except KeyboardInterrupt:
        return


def show_last_lines(session: Session, app: str, count: int) -> None:
    """The last lines of the app's web dynos, and of the platform about them. On stderr, for a command that fails."""
    opened = session.client.post(f"/apps/{segment(app)}/log-sessions", {"dyno": "web", "lines": count})
    for line in lines_of(opened["logplex_url"], follows=False):
        mention(line)


def _print(lines: Iterable[str], *, as_json: bool) -> None:
    colour = is_colourful(sys.stdout)
    for line in lines:
        shown = json.dumps(parsed(line), ensure_ascii=False) if as_json else painted(line) if colour else line
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()


def parsed(line: str) -> Record:
    """A line's time, source (app or heroku), dyno and text. Only the text if the line has another format."""
    found = _LINE.fullmatch(line)
    return found.groupdict() if found else {"at": None, "source": None, "dyno": None, "text": line}


def painted(line: str) -> str:
    """The line with its head in the color of its process type, and errors of router lines in red."""
    found = _LINE.fullmatch(line)
    if not found:
        return line
    kind = found["dyno"].partition(".")[0]
    head = line[: found.start("text")].rstrip()
    text = _FAILURES.sub("\x1b[31m\\1\x1b[0m", found["text"]) if kind == "router" else found["text"]
    return f"\x1b[{_colour_of(kind)}m{head}\x1b[0m {text}"


def _colour_of(kind: str) -> str:
    """A type has the same color in every run of the command."""
    return _COLOURS.get(kind) or _FURTHER[sum(kind.encode()) % len(_FURTHER)]
