"""Commands on this machine: the control plane's own process, its state and keys, the demo. No HTTP here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from changeover.cli.session import Command, Session, command
from changeover.cli.terminal import say
from changeover.errors import ChangeoverError, Reported, ServerFailed


def takes_data_dir(function: Command) -> Command:
    option = click.option("--data-dir", type=click.Path(path_type=Path), help="Data directory (CHANGEOVER_HOME).")
    return option(function)


def program(module: str, words: Sequence[str]) -> list[str]:
    """The arguments that run one of our programs with this Python."""
    return [sys.executable, "-P", "-m", module, *words]


def options(**given: str | Path | bool | None) -> list[str]:
    """`data_dir=Path("/x")` as `--data-dir /x`. True is a flag; None and False are left out."""
    words: list[str] = []
    for name, value in given.items():
        if value is not None and value is not False:
            flag = "--" + name.replace("_", "-")
            words += [flag] if value is True else [flag, str(value)]
    return words


def become(arguments: Sequence[str]) -> NoReturn:
    """Replace this process, so that signals and the exit code are those of the other program."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(arguments[0], list(arguments))  # noqa: S606


@command()
@takes_data_dir
@click.option("--listen", metavar="HOST:PORT", help="Address of the API; port 0 picks a free one.")
@click.option("--router-listen", metavar="HOST:PORT", help="Address of the router for apps.")
@click.option("--leave-running", is_flag=True, help="Leave databases, dynos and router running when it stops.")
@click.option(
    "--tls-cert", type=click.Path(exists=True, dir_okay=False), help="Certificate; required if not on loopback."
)
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), help="Key of the certificate.")
def server(session: Session, *, data_dir: Path | None, leave_running: bool, **given: str | None) -> NoReturn:
    """Start the control plane: API, job worker, state."""
    home = data_dir or session.settings.home
    become(
        program(
            "changeover.service",
            ["serve", *options(data_dir=home, leave_running=leave_running, json=session.wants_json, **given)],
        )
    )


@command()
@takes_data_dir
def stop(session: Session, *, data_dir: Path | None) -> None:
    """Stop the control plane and everything that it runs."""
    _ask_service(session, "stop", data_dir)


@command()
@click.argument("file", type=click.Path(path_type=Path))
@takes_data_dir
def backup(session: Session, *, file: Path, data_dir: Path | None) -> None:
    """Save the control plane's state and keys to a file."""
    _ask_service(session, "backup", data_dir, file)


@command()
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@takes_data_dir
def restore(session: Session, *, file: Path, data_dir: Path | None) -> None:
    """Restore the control plane's state and keys from a file."""
    _ask_service(session, "restore", data_dir, file)


def _ask_service(session: Session, what: str, data_dir: Path | None, *files: Path) -> None:
    """Let the service do `what`. Raises Reported if it refuses, so that its errors look like all others."""
    words = [what, *(str(file.absolute()) for file in files), "--json"]
    words += options(data_dir=data_dir or session.settings.home)
    ended = subprocess.run(program("changeover.service", words), stdout=subprocess.PIPE, text=True, check=False)
    said = ended.stdout.strip()
    if ended.returncode != 0:
        raise _refusal(what, said)
    session.tell({"done": what, "says": said}, lambda: say(said) if said else None)


def _refusal(what: str, said: str) -> ChangeoverError:
    try:
        return Reported(json.loads(said.splitlines()[-1]))
    except (IndexError, ValueError):
        return ServerFailed(
            f"changeover {what} failed.", why=said, fix="See the lines above, and the logs in DATA/log."
        )


@command(passes_unknown=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[OPTIONS]")
def demo(session: Session, *, words: tuple[str, ...]) -> NoReturn:
    """Move a live database and show that nothing is lost."""
    become(program("changeover.demo", [*words, *options(json=session.wants_json)]))
