"""`run`: a command in a one-off dyno, attached or detached. rendezvous.py has the connection."""

from __future__ import annotations

import io
import os
import re
import sys
from typing import Any

import click

from changeover.cli.logs import show_logs
from changeover.cli.rendezvous import meet
from changeover.cli.resolve import Record
from changeover.cli.session import Command, Session, command, takes_app
from changeover.cli.terminal import action, mention, paint, print_json, say, warn
from changeover.client import segment
from changeover.errors import Misused, NoAnswer

MARKER = "\uffff heroku-command-exit-status:"


def _takes_command(function: Command) -> Command:
    function = click.option("--env", "-e", "env", help="Environment variables: 'A=1;B=2'.")(function)
    function = click.option("--size", "-s", help="Dyno size.")(function)
    function = click.option("--type", "kind", help="Process type of the dyno.")(function)
    function = click.option("--no-launcher", is_flag=True, hidden=True)(function)
    # an option, so that click reads TERM
    function = click.option("--terminal", envvar="TERM", hidden=True)(function)
    return click.argument("words", metavar="COMMAND", nargs=-1)(function)


@command(passes_unknown=True)
@takes_app
@_takes_command
@click.option("--exit-code", "-x", is_flag=True, help="Exit with the command's exit code.")
@click.option("--no-tty", is_flag=True, help="Run the command without a terminal.")
@click.option("--no-notify", is_flag=True, hidden=True)
def attached(
    session: Session, *, words: tuple[str, ...], app: str, exit_code: bool, no_tty: bool, no_notify: bool, **given: Any
) -> int:
    """Run a command in an attached one-off dyno: `run bash`, `run -x -- ls -la`."""
    del no_notify  # scripts pass it to the official CLI; ours never shows notifications
    text = command_line(words)
    body = _body(text + f' ; echo "{MARKER} $?"' if exit_code else text, attach=True, **given)
    body |= {"force_no_tty": True} if no_tty else {}
    with action(f"Running {paint('code', text)} on {paint('app', app)}") as doing:
        dyno = session.client.post(f"/apps/{segment(app)}/dynos", body)
        meeting = meet(dyno["attach_url"], session.client.get("/changeover/v1/ca")["certificate"])
        doing.says = f"up, {dyno['name']}"
    output = io.BytesIO() if session.wants_json else sys.stdout.buffer
    with meeting:
        code = meeting.hold(output, is_raw=not no_tty and sys.stdin.isatty(), watches=exit_code)
    if session.wants_json:
        shown = output.getvalue().decode(errors="replace") if isinstance(output, io.BytesIO) else ""
        print_json({"name": dyno["name"], "exit_code": code, "output": shown})
    return _ending(code, dyno, app) if exit_code else 0


def _ending(code: int | None, dyno: Record, app: str) -> int:
    if code is None:
        raise NoAnswer(
            "No exit code returned",
            why=f"The connection to {dyno['name']} ended before its command, which may still be running.",
            fix=f"See `changeover ps --app {app}` and `changeover logs --app {app} --dyno {dyno['name']}`.",
        )
    if code:
        mention(f" {paint('bad', '▸')}    Process exited with code {paint('bad', code)}")
    return code


@command(passes_unknown=True)
@takes_app
@_takes_command
@click.option("--tail", "-t", is_flag=True, help="Follow its logs from the start.")
def detached(session: Session, *, words: tuple[str, ...], app: str, tail: bool, **given: Any) -> None:
    """Run a command in a detached one-off dyno, which logs its output."""
    text = command_line(words)
    with action(f"Running {paint('code', text)} on {paint('app', app)}") as doing:
        dyno = session.client.post(f"/apps/{segment(app)}/dynos", _body(text, attach=False, **given))
        doing.says = f"done, {dyno['name']}"
    if tail:
        show_logs(session, app, dyno=dyno["name"], tail=True)
        return
    see = paint("code", f"changeover logs --app {app} --dyno {dyno['name']}")
    session.tell(dyno, lambda: say(f"Run {see} to view the output.\n"))


def command_line(words: tuple[str, ...]) -> str:
    """One shell command. A single word is used as it is; several words are quoted if they have spaces or quotes."""
    if not words:
        raise Misused("Usage: changeover run COMMAND", fix="Give a command: `changeover run bash`.")
    if len(words) == 1:
        return words[0]
    return " ".join('"' + word.replace('"', '\\"') + '"' if re.search(r'[ "]', word) else word for word in words)


def _body(
    text: str,
    *,
    attach: bool,
    env: str | None,
    size: str | None,
    kind: str | None,
    terminal: str | None,
    no_launcher: bool,
) -> Record:
    del no_launcher  # our commands have no launcher
    given = {"size": size, "type": kind}
    body = {"attach": attach, "command": text, "env": surroundings(env, terminal)}
    return body | {key: value for key, value in given.items() if value}


def surroundings(flag: str | None, terminal: str | None) -> dict[str, Any]:
    """The command's environment variables: `A=1;B=2`, the terminal's type and size."""
    env: dict[str, Any] = {}
    for part in (flag or "").split(";") if flag else []:
        if found := re.fullmatch(r"\s*([\w.-]+)\s*=\s*(.*?)\s*", part, re.DOTALL):
            env[found[1]] = found[2]
        else:
            warn(f"env flag {part} appears invalid. Avoid using ';' in values.")
    if terminal:
        env["TERM"] = terminal
    if sys.stdout.isatty():
        env["COLUMNS"], env["LINES"] = os.get_terminal_size(sys.stdout.fileno())
    return env
