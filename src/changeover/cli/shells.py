"""Completion, version, and help by topic."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from changeover.cli.session import Session, command
from changeover.cli.terminal import say

VARIABLE = "_CHANGEOVER_COMPLETE"


@command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), default="bash")
def completion(session: Session, *, shell: str) -> None:
    """Print a completion script: `eval "$(changeover completion bash)"`."""
    script = completion_script(shell)
    session.tell({"shell": shell, "script": script}, lambda: say(script.rstrip("\n")))


def completion_script(shell: str) -> str:
    """click's script for `shell`. In bash, a colon must not end a word."""
    completer = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    script = completer(click.Command("changeover"), {}, "changeover", VARIABLE).source()
    return "COMP_WORDBREAKS=${COMP_WORDBREAKS//:}\n" + script if shell == "bash" else script


@command()
def version(session: Session) -> None:
    """Print the version."""
    number = own_version()
    session.tell({"version": number}, lambda: say(f"changeover {number}"))


def own_version() -> str:
    try:
        return version_of("changeover")
    except PackageNotFoundError:
        return "0.1.0 (from a checkout)"
