"""The program: finds a command's file by the index, and returns an exit code for every result."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence
from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from changeover.cli import failures, terminal
from changeover.cli.index import ALIASES, INDEX, TOPICS
from changeover.errors import ChangeoverError, Misused

ABOUT = "Moves live PostgreSQL databases, and the apps in front of them, without losing a row."
PARTS = 4
"""No command has more parts, for example `pg:credentials:url`."""


class Program(click.Group):
    """A group that imports a command's file only when that command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature, as below
        return sorted(INDEX)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        name = ALIASES.get(cmd_name, cmd_name)
        if name not in INDEX:
            return None
        entry = INDEX[name]
        module = importlib.import_module(f"changeover.cli.{entry.module}")
        gc.freeze()  # imported modules stay until the end, so the collector can skip them
        gc.enable()
        command = cast("click.Command", getattr(module, entry.attribute))
        command.name, command.help = name, command.help or entry.help
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, rest = split_name(args)
        command = self.get_command(ctx, name)
        if command is None:
            raise unknown_command(name)
        return command.name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for topic, about in TOPICS.items():
            with formatter.section(f"{topic} – {about}"):
                formatter.write_dl([(name, entry.help) for name, entry in INDEX.items() if entry.topic == topic])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:  # noqa: ARG002
        return [CompletionItem(name, help=entry.help) for name, entry in INDEX.items() if name.startswith(incomplete)]


def split_name(args: Sequence[str]) -> tuple[str, list[str]]:
    """The longest command name at the start of `args`, whose parts may be separate words: `pg info` is `pg:info`."""
    for count in range(min(PARTS, len(args)), 0, -1):
        name = ":".join(args[:count])
        if name in INDEX or name in ALIASES:
            return name, list(args[count:])
    return args[0], list(args[1:])


def unknown_command(name: str) -> Misused:
    import difflib  # noqa: PLC0415 - only needed for misspelled commands

    near = difflib.get_close_matches(name, [*INDEX, *ALIASES], n=1, cutoff=0.6)
    return Misused(
        f"{name} is not a changeover command.",
        fix=f"Did you mean `changeover {near[0]}`?" if near else "See `changeover --help` for all commands.",
    )


def run() -> None:
    """Run the command line of this process and exit."""
    sys.exit(exit_code_of(sys.argv[1:]))


def exit_code_of(arguments: list[str]) -> int:
    """Run a command line. Prints every failure and returns its exit code."""
    terminal.want_json_lines(False)
    try:
        return _invoke(arguments)
    except click.ClickException as error:
        return _fail(failures.from_click(error), arguments)
    except ChangeoverError as error:
        return _fail(error, arguments)
    except (KeyboardInterrupt, click.Abort):
        terminal.mention()
        return 130
    except BrokenPipeError:
        # the reader (head, less) has closed the pipe, so Python must not flush again at exit
        sys.stdout = None
        return 141


def _invoke(arguments: list[str]) -> int:
    ended: Any = _program().main(arguments, prog_name="changeover", standalone_mode=False, windows_expand_args=False)
    return ended if isinstance(ended, int) else 0


def _program() -> Program:
    version = click.Option(["--version"], is_flag=True, help="Show the version and exit.")
    # an option, so that click reads NO_COLOR with any value
    colours = click.Option(["--no-color"], envvar="NO_COLOR", hidden=True, is_eager=True, expose_value=False)
    colours.callback = _choose_colours
    settings = {"help_option_names": ["--help", "-h"], "max_content_width": 120}
    return Program(
        name="changeover",
        help=ABOUT,
        callback=_without_command,
        params=[version, colours],
        invoke_without_command=True,
        context_settings=settings,
    )


def _choose_colours(_context: click.Context, _option: click.Parameter, given: str | None) -> None:
    terminal.want_colours(not given)


@click.pass_context
def _without_command(context: click.Context, /, version: bool) -> None:
    if version:
        from changeover.cli.shells import own_version  # noqa: PLC0415 - reads the names of installed packages

        terminal.say(f"changeover {own_version()}")
        context.exit()
    if context.invoked_subcommand is None:
        terminal.say(context.get_help())


def _fail(error: ChangeoverError, arguments: list[str]) -> int:
    before_dashes = arguments[: arguments.index("--")] if "--" in arguments else arguments
    failures.report(error, as_json="--json" in before_dashes or "-j" in before_dashes)
    return failures.exit_code(error)
