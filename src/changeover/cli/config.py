"""Config vars: show, set, unset, edit."""

from __future__ import annotations

import shlex

import click

from changeover.cli.session import Session, command, takes_app
from changeover.cli.terminal import action, header, is_interactive, paint, rows, say, shell_quote, warn
from changeover.client import segment
from changeover.errors import BadRequest, Misused

LATEST = "version ..; order=desc,max=1"


def _path(app: str) -> str:
    return f"/apps/{segment(app)}/config-vars"


@command()
@takes_app
@click.option("--shell", "-s", is_flag=True, help="Print in shell format.")
def index(session: Session, *, app: str, shell: bool) -> None:
    """Show an app's config vars."""
    config = session.client.get(_path(app))

    def show() -> None:
        if shell:
            for name, value in config.items():
                say(f"{name}={shell_quote(value)}")
            return
        header(f"{paint('app', app)} Config Vars")
        rows({paint("name", name): value for name, value in config.items()})

    session.tell(config, show)


@command()
@click.argument("names", metavar="KEY...", nargs=-1, required=True)
@takes_app
@click.option("--shell", "-s", is_flag=True, help="Print in shell format.")
def get(session: Session, *, names: tuple[str, ...], app: str, shell: bool) -> None:
    """Print the values of config vars, one per line."""
    config = session.client.get(_path(app))
    found = [{"key": name, "value": config.get(name)} for name in names]

    def show() -> None:
        for name in names:
            value = config.get(name, "")
            say(f"{name}={shell_quote(value)}" if shell else value)

    session.tell(found[0] if len(found) == 1 else found, show)


@command()
@click.argument("pairs", metavar="KEY=VALUE...", nargs=-1, required=True)
@takes_app
def set_(session: Session, *, pairs: tuple[str, ...], app: str) -> None:
    """Set config vars in one release."""
    values = {}
    for pair in pairs:
        name, given, value = pair.partition("=")
        if not given:
            raise Misused(f"{pair} is invalid. Must be in the format FOO=bar.", why="Nothing was set.")
        values[name] = value
    config = _change(session, app, "Setting", values)
    changed = {name: value for name, value in config.items() if name in values}
    session.tell(config, lambda: rows({paint("name", name): value for name, value in changed.items()}))


@command()
@click.argument("names", metavar="KEY...", nargs=-1, required=True)
@takes_app
def unset(session: Session, *, names: tuple[str, ...], app: str) -> None:
    """Unset config vars in one release."""
    config = _change(session, app, "Unsetting", dict.fromkeys(names))
    session.tell(config, lambda: None)


def _change(session: Session, app: str, verb: str, values: dict[str, str] | dict[str, None]) -> dict[str, str]:
    names = ", ".join(paint("name", name) for name in values)
    with action(f"{verb} {names} and restarting {paint('app', app)}") as doing:
        config: dict[str, str] = session.client.patch(_path(app), values)
        releases = session.client.get(f"/apps/{segment(app)}/releases", order=LATEST)
        doing.says = f"done, {paint('name', 'v' + str(releases[0]['version']))}" if releases else "done"
    return config


@command()
@click.argument("key", required=False)
@takes_app
def edit(session: Session, *, key: str | None, app: str) -> None:
    """Edit config vars in your editor (VISUAL or EDITOR)."""
    if not is_interactive():
        raise Misused("Editing requires a terminal.", fix="Use `changeover config:set KEY=VALUE`.")
    with action("Fetching config"):
        before = session.client.get(_path(app))
    after = _edited(before, key)
    if after == before:
        warn("no changes to config")
        return
    say("\nConfig Diff:")
    for name in sorted({*before, *after}):
        if before.get(name) != after.get(name):
            say(paint("bad", f"- {name}={shell_quote(before[name])}")) if name in before else None
            say(paint("good", f"+ {name}={shell_quote(after[name])}")) if name in after else None
    say()
    import questionary  # noqa: PLC0415 - takes a tenth of a second; only prompts need it

    if not questionary.confirm(f"Update config on {app} with these values?").unsafe_ask():
        return
    with action("Verifying new config"):
        if session.client.get(_path(app)) != before:
            raise BadRequest("Config changed on server. Refusing to update.", fix="Repeat the command.")
    with action("Updating config"):
        changed = session.client.patch(_path(app), {**dict.fromkeys(before), **after})
    session.tell(changed, lambda: None)


def _edited(before: dict[str, str], key: str | None) -> dict[str, str]:
    if key:
        text = click.edit(before.get(key, ""))
        return before if text is None else {**before, key: text.removesuffix("\n")}
    listing = "\n".join(f"{name}={shlex.quote(value)}" for name, value in sorted(before.items()))
    text = click.edit(listing, extension=".sh")
    return before if text is None else parse_listing(text)


def parse_listing(text: str) -> dict[str, str]:
    """Parses KEY=value lines with shell quoting. Values may span several lines."""
    values = {}
    for word in shlex.split(text):
        name, given, value = word.partition("=")
        if not given:
            raise Misused(f"Invalid line: {word}", why="Nothing was changed.", fix="Each line is KEY=value.")
        values[name] = value
    return values
