"""The session of a command: settings, client, app, and output as text or JSON."""

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
    """The state of one command. The client is created when first needed."""

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
        """Print `found` as JSON if requested, else call `in_words`."""
        if self.wants_json:
            terminal.print_json(found)
        else:
            in_words()


def command(*, passes_unknown: bool = False) -> Callable[[Callable[..., Any]], click.Command]:
    """A command whose function gets the Session as its first argument. Adds --json to every command."""
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

        option = click.option("--json", "-j", "wants_json", is_flag=True, help="Print JSON, including errors.")
        return click.command(context_settings=settings)(option(called))

    return decorate


def takes_app(function: Command) -> Command:
    """Options --app and --remote. The function gets `app: str`, also from the environment or git."""
    return _app_options(function, "app")


def may_take_app(function: Command) -> Command:
    """Like takes_app, but the function gets `app: str | None`."""
    return _app_options(function, "optional_app")


def _app_options(function: Command, name: str) -> Command:
    function = click.option("--remote", "-r", help="Git remote of the app to use.")(function)
    return click.option("--app", "-a", name, help="App to run the command against.")(function)


def takes_confirm(function: Command) -> Command:
    return click.option("--confirm", "-c", help="Confirm with the name instead of a prompt.")(function)


def _resolved(session: Session, arguments: dict[str, Any]) -> dict[str, Any]:
    if "app" not in arguments and "optional_app" not in arguments:
        return arguments
    remote = arguments.pop("remote")
    is_needed = "app" in arguments
    app = arguments.pop("app" if is_needed else "optional_app") or session.settings.app
    if remote or not app:
        from changeover.cli.appname import find_app  # noqa: PLC0415 - most commands don't need it

        app = find_app(remote)
    if is_needed and not app:
        raise Misused(
            "No app given.",
            why="There is no --app, HEROKU_APP or CHANGEOVER_APP, and no git remote with an app.",
            fix="Repeat the command with --app NAME.",
        )
    return {**arguments, "app": app}


def ask_to_confirm(name: str, given: str | None, warning: str | None = None) -> None:
    """Continue only if `name` was given or is typed now.

    Raises ConfirmationWrong for another name, ConfirmationRequired without a terminal.
    """
    warning = warning or f"Destructive Action\nThis command will affect the app {terminal.paint('app', name)}"
    if given is None and terminal.is_interactive():
        terminal.warn(warning)
        terminal.mention()
        import questionary  # noqa: PLC0415 - takes a tenth of a second; only prompts need it

        question = f"To proceed, type {name} or re-run this command with --confirm {name}:"
        given = cast("str | None", questionary.text(question).unsafe_ask())
    elif given is None:
        raise ConfirmationRequired(
            terminal.plain(warning),
            why="There is no terminal for a prompt. Nothing was changed.",
            fix=f"To proceed, re-run this command with --confirm {name}.",
        )
    if given != name:
        raise ConfirmationWrong(given or "", name)


def ask_to_begin(what: str, given: bool, wants_json: bool, *, else_: str = "") -> None:
    """Continue only if confirmed with `--yes` or now. `what` describes the action.

    Raises ConfirmationRequired without a terminal, Misused if the answer is no.
    """
    if given:
        return
    if wants_json or not terminal.is_interactive():
        raise ConfirmationRequired(
            what,
            why="There is no terminal for a prompt. Nothing was changed.",
            fix=f"Repeat the command with --yes{else_}.",
        )
    import questionary  # noqa: PLC0415 - takes a tenth of a second; only prompts need it

    if not questionary.confirm("Begin?", default=False).unsafe_ask():
        raise Misused("Nothing was started.", why="You answered no.")


def with_confirmation(app: str, given: str | None, request: Callable[[str | None], Any]) -> Any:
    """Call `request`. If the server requires the app's name, ask for it and call again."""
    try:
        return request(given)
    except Reported as refusal:
        if refusal.id != "confirmation_required":
            raise
        ask_to_confirm(app, given, refusal.what)
    return request(app)
