"""Prints the failure of a command and returns its exit code."""

from __future__ import annotations

import click

from changeover.cli import terminal
from changeover.errors import ChangeoverError, Misused

MISUSED, UNKNOWN = 2, 3
_CODES = {
    "misused": MISUSED,
    "bad_setting": MISUSED,
    "confirmation_required": MISUSED,
    "confirmation_wrong": MISUSED,
    "not_running": UNKNOWN,
    "no_answer": UNKNOWN,
    "state_unavailable": UNKNOWN,
    "server_unreachable": UNKNOWN,
    "connection_lost": UNKNOWN,
    "bucket_unreachable": UNKNOWN,
    "too_many_requests": UNKNOWN,
    "too_many_questions": UNKNOWN,
}


def exit_code(error: ChangeoverError) -> int:
    """1: failed. 2: misused. 3: unknown, because a server did not answer or was not asked."""
    return _CODES.get(error.id, 1)


def report(error: ChangeoverError, *, as_json: bool) -> None:
    if as_json:
        terminal.print_json({"id": error.id, "what": error.what, "why": error.why, "fix": error.fix})
        return
    for line in lines(error):
        terminal.mention(line)


def lines(error: ChangeoverError) -> list[str]:
    """What happened, why, what to do, and the id of the error."""
    mark = f" {terminal.paint('bad', '▸')}    "
    said = [mark + line for part in (error.what, error.why) if part for line in part.splitlines()]
    said += [mark + terminal.paint("label", line) for line in error.fix.splitlines()]
    return [*said, mark.rstrip(), mark + terminal.paint("quiet", f"Error ID: {error.id}")]


def from_click(error: click.ClickException) -> Misused:
    """A usage error of click in our format."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    name = context.info_name if context and context.parent else None
    fix = f"See `changeover {name} --help`." if name else "See `changeover --help`."
    return Misused(error.format_message(), fix=fix)
