"""What one command has at hand: settings, the client, the app it is about, and the two forms of output."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

import click

from changeover.cli import terminal
from changeover.client import Client, Endpoint
from changeover.errors import ConfirmationRequired, ConfirmationWrong, Misused, Reported
from changeover.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])


class Session:
    """One command's surroundings; the client is made when first asked for."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings, self.wants_json = settings or Settings.read(), False

    @functools.cached_property
    def endpoint(self) -> Endpoint:
        return Endpoint.find(self.settings)

    @functools.cached_property
    def client(self) -> Client:
        return Client(self.endpoint, on_warning=terminal.warn)

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.close()

    def tell(self, found: Any, in_words: Callable[[], None]) -> None:
        """Print `found` as JSON where that was asked for, else call `in_words`."""
        if self.wants_json:
            terminal.print_json(found)
        else:
            in_words()


def command(*, passes_unknown: bool = False) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose function takes the Session first; gives every command its --json."""
    settings: dict[str, Any] = {"help_option_names": ["--help", "-h"], "max_content_width": 120}
    if passes_unknown:
        settings |= {"ignore_unknown_options": True}

    def decorate(function: Callable[..., Any]) -> click.Command:
        @functools.wraps(function)
        def called(wants_json: bool, **arguments: Any) -> Any:
            session = click.get_current_context().ensure_object(Session)
            session.wants_json = wants_json
            try:
                return function(session, **_resolved(session, arguments))
            finally:
                session.close()

        option = click.option("--json", "-j", "wants_json", is_flag=True, help="Print JSON, errors too.")
        return click.command(context_settings=settings)(option(called))

    return decorate


def takes_app(function: Command) -> Command:
    """Options --app and --remote; the function gets `app: str`, from wherever it can be known."""
    return _app_options(function, "app")


def may_take_app(function: Command) -> Command:
    """The same; the function gets `app: str | None`."""
    return _app_options(function, "optional_app")


def _app_options(function: Command, name: str) -> Command:
    function = click.option("--remote", "-r", help="Git remote of the app to use.")(function)
    return click.option("--app", "-a", name, help="App to run the command against.")(function)


def takes_confirm(function: Command) -> Command:
    return click.option("--confirm", "-c", help="Name of what is affected: skips the question.")(function)


def _resolved(session: Session, arguments: dict[str, Any]) -> dict[str, Any]:
    if "app" not in arguments and "optional_app" not in arguments:
        return arguments
    remote = arguments.pop("remote")
    is_needed = "app" in arguments
    app = arguments.pop("app" if is_needed else "optional_app") or session.settings.app
    if remote or not app:
        from changeover.cli.appname import find_app  # noqa: PLC0415 - most commands are given their app

        app = find_app(remote)
    if is_needed and not app:
        raise Misused(
            "No app is named.",
            why="There is no --app, HEROKU_APP or CHANGEOVER_APP, and no git remote here that names one.",
            fix="Repeat the command with --app NAME.",
        )
    return {**arguments, "app": app}


def ask_to_confirm(name: str, given: str | None, warning: str | None = None) -> None:
    """Go on only when `name` was given or is typed now.

    Raises ConfirmationWrong for another name, ConfirmationRequired where there is no terminal to ask on.
    """
    warning = warning or f"Destructive Action\nThis command will affect the app {terminal.paint('app', name)}"
    if given is None and terminal.is_interactive():
        terminal.warn(warning)
        terminal.mention()
        import questionary  # noqa: PLC0415 - a tenth of a second that only a question is worth

        question = f"To proceed, type {name} or re-run this command with --confirm {name}:"
        given = cast("str | None", questionary.text(question).unsafe_ask())
    elif given is None:
        raise ConfirmationRequired(
            terminal.plain(warning),
            why="There is no terminal here to ask on; nothing was changed.",
            fix=f"To proceed, re-run this command with --confirm {name}.",
        )
    if given != name:
        raise ConfirmationWrong(given or "", name)


def ask_to_begin(what: str, given: bool, wants_json: bool, *, else_: str = "") -> None:
    """Go on only when that was said (`--yes`) or is said now; `what` would happen.

    Raises ConfirmationRequired where there is nobody to ask, Misused for a no.
    """
    if given:
        return
    if wants_json or not terminal.is_interactive():
        raise ConfirmationRequired(
            what, why="There is nobody here to ask; nothing was changed.", fix=f"Repeat the command with --yes{else_}."
        )
    import questionary  # noqa: PLC0415 - only a question is worth its tenth of a second

    if not questionary.confirm("Begin?", default=False).unsafe_ask():
        raise Misused("Nothing was begun.", why="You said no.")


def with_confirmation(app: str, given: str | None, request: Callable[[str | None], Any]) -> Any:
    """Call `request`; where the server wants the app's name first, ask for it and call again."""
    try:
        return request(given)
    except Reported as refusal:
        if refusal.id != "confirmation_required":
            raise
        ask_to_confirm(app, given, refusal.what)
    return request(app)
