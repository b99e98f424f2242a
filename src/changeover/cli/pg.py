"""The life cycle of an app's database: info, wait, unfollow, promote, terminate connections."""

from __future__ import annotations

import contextlib
import functools

import click

from changeover.cli.failures import UNKNOWN
from changeover.cli.release_phase import looks
from changeover.cli.resolve import (
    Record,
    all_databases,
    config_vars_of,
    find_attachment,
    name_of_url,
    readable_config,
)
from changeover.cli.session import Session, ask_to_confirm, command, takes_app, takes_confirm
from changeover.cli.terminal import action, header, paint, rows, say, warn, warnings_held
from changeover.cli.waiting import wait_for_database
from changeover.client import Client, segment
from changeover.errors import ChangeoverError, NotAFollower

RELEASE_PHASE_S = 15 * 60
MOST_AT_ONCE = 4
"""Databases that are queried at the same time. Low, to leave the control plane to others."""


def database_path(addon: Record) -> str:
    return f"/client/v11/databases/{segment(addon['id'])}"


@command()
@click.argument("database", required=False)
@takes_app
def info(session: Session, *, database: str | None, app: str) -> None:
    """Show details of databases: plan, status, size, followers, replication lag."""
    client = session.client
    config = readable_config(client, app)
    addons = [_named(client, app, database)] if database else all_databases(client, app)
    found = [(addon, record) for addon, record in zip(addons, _records(session, addons), strict=True) if record]
    found.sort(key=lambda each: _place_in_list(config_vars_of(each[1].get("resource_url") or "", config)))

    def show() -> None:
        if not addons:
            say(f"{paint('app', app)} has no heroku-postgresql databases.")
        for addon, record in found:
            _show(addon, record, config, app)

    records = [record for _, record in found]
    session.tell(records[0] if database and records else records, show)


def _named(client: Client, app: str, database: str) -> Record:
    attachment = find_attachment(client, app, database)
    addon: Record = attachment["addon"]
    return {**addon, "found_as": attachment["name"]}


def _records(session: Session, addons: list[Record]) -> list[Record | None]:
    """In the order of `addons`. None, with a warning, for one that is not yet provisioned."""
    if len(addons) < 2:
        records = [_record(session.client, addon) for addon in addons]
    else:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - a slow database must not delay the others

        with ThreadPoolExecutor(max_workers=MOST_AT_ONCE) as pool:
            records = list(pool.map(functools.partial(_record_of_its_own, session), addons))
    for addon, record in zip(addons, records, strict=True):
        if record is None:
            warn(
                f"{paint('datastore', addon['name'])} is not yet provisioned.\n"
                f"Run {paint('code', 'changeover addons:wait')} to wait until the db is provisioned."
            )
    return records


def _record_of_its_own(session: Session, addon: Record) -> Record | None:
    with contextlib.closing(Client(session.endpoint, on_warning=warn)) as client:
        return _record(client, addon)


def _record(client: Client, addon: Record) -> Record | None:
    try:
        record: Record = client.get(database_path(addon))
    except ChangeoverError as error:
        if error.id != "not_found":
            raise
        return None
    return record


def _place_in_list(names: list[str]) -> tuple[bool, str]:
    """Sorts databases known only as DATABASE_URL first, others by their first name."""
    first = names[0] if names else ""
    return first != "DATABASE_URL", first


def _show(addon: Record, record: Record, config: dict[str, str], app: str) -> None:
    attached = [f"{name}_URL" for name in addon.get("attachment_names", [])]
    names = attached or config_vars_of(record.get("resource_url") or "", config) or [f"{addon['found_as']}_URL"]
    header(", ".join(paint("attachment", name) for name in names))
    shown = {row["name"]: _values(row, config) for row in record["info"] if row["values"]}
    if not config and record.get("leader"):
        shown["Following"] = record["leader"]
    if addon["app"]["name"] != app:
        shown["Billing App"] = paint("app", addon["app"]["name"])
    rows(shown | {"Add-on": paint("addon", addon["name"])})
    say()


def _values(row: Record, config: dict[str, str]) -> str:
    values = [str(value) for value in row["values"]]
    return ", ".join(name_of_url(value, config) if row.get("resolve_db_name") else value for value in values)


@command()
@click.argument("database", required=False)
@takes_app
@click.option("--wait-interval", type=float, default=1.0, show_default=True, help="Seconds between checks.")
@click.option("--no-notify", is_flag=True, hidden=True)
def wait(session: Session, *, database: str | None, app: str, wait_interval: float, no_notify: bool) -> None:
    """Wait until databases are available."""
    del no_notify  # scripts pass it to the official CLI; ours never shows notifications
    client = session.client
    addons = [find_attachment(client, app, database)["addon"]] if database else all_databases(client, app)
    every_s = wait_interval if wait_interval > 0 else 1.0
    statuses = [{"name": addon["name"], **wait_for_database(client, addon, every_s=every_s)} for addon in addons]
    session.tell(statuses[0] if database else statuses, lambda: None)


@command()
@click.argument("database")
@takes_app
@takes_confirm
def unfollow(session: Session, *, database: str, app: str, confirm: str | None) -> None:
    """Permanently turn a follower into a writable database."""
    addon = find_attachment(session.client, app, database)["addon"]
    record = session.client.get(database_path(addon))
    if not record.get("following"):
        raise NotAFollower(
            f"{addon['name']} is not a follower",
            why="Only a database that follows another can stop following.",
            fix=f"See its details: `changeover pg:info {addon['name']} --app {app}`.",
        )
    origin = name_of_url(record["following"], readable_config(session.client, app))
    name = paint("addon", addon["name"])
    ask_to_confirm(
        app,
        confirm,
        f"Destructive action\n{name} will become writeable and no longer follow {origin}. This cannot be undone.",
    )
    with action(f"{name} unfollowing"):
        reply = session.client.put(f"{database_path(addon)}/unfollow")
    session.tell(reply, lambda: None)


@command()
@click.argument("database")
@takes_app
@click.option("--as", "alias", help="Name for the attachment, instead of DATABASE.")
@click.option("--force", "-f", is_flag=True, help="Promote it even if it is not yet available.")
def promote(session: Session, *, database: str, app: str, alias: str | None, force: bool) -> int:
    """Make a database the app's DATABASE_URL."""
    client = session.client
    attachment = find_attachment(client, app, database)
    path = f"/changeover/v1/apps/{segment(app)}/databases/{segment(attachment['name'])}/actions/promote"
    body: Record = {"force": force} | ({"as": alias} if alias else {})
    with warnings_held():
        done = client.post(path, body)
        promoted = attachment["name"] if attachment.get("namespace") else attachment["addon"]["name"]
        _say_promoted(promoted, app, done)
        for warning in done.get("warnings") or []:
            client.warn(warning)
    _warn_of_a_follower(client.get(database_path(attachment["addon"])), app)
    code = _await_release_phase(session, app, done)
    session.tell(done, lambda: None)
    return code


def _say_promoted(name: str, app: str, done: Record) -> None:
    """Prints the steps of the official CLI, although the promotion was one request."""
    if done.get("previous"):
        with action(f"Ensuring an alternate alias for existing {paint('datastore', 'DATABASE_URL')}") as doing:
            doing.says = paint("attachment", f"{done['alias']}_URL") if done.get("alias") else "done"
    with action(f"Promoting {paint('datastore', name)} to {paint('datastore', 'DATABASE_URL')} on {paint('app', app)}"):
        pass


def _warn_of_a_follower(record: Record, app: str) -> None:
    if not record.get("following"):
        return
    unfollow_it = paint("code", f"changeover pg:unfollow {record['name']} --app {app}")
    warn(
        "Your database has been promoted but it is currently a follower database in read-only mode.\n"
        "Promoting a database with changeover pg:promote doesn't automatically unfollow its leader.\n"
        f"Use {unfollow_it} to stop this follower from replicating from its leader "
        f"({paint('datastore', record['leader'])}) and convert it into a writable database."
    )


def _await_release_phase(session: Session, app: str, done: Record) -> int:
    """If the app has a release phase, wait for that of the new DATABASE_URL and print its result. Returns an exit code."""
    client = session.client
    processes = client.get(f"/apps/{segment(app)}/formation")
    if not any(process["type"] == "release" for process in processes):
        return 0
    with action("Checking release phase") as doing:
        *_, attach = looks(client, app, done["release"]["version"], timeout_s=RELEASE_PHASE_S)
        newest = client.get(f"/apps/{segment(app)}/releases", order="version ..; max=5, order=desc")
        detach: Record = next((each for each in newest if "Detach DATABASE" in each["description"]), {})
        doing.says, code = release_verdict(attach, detach, (done.get("previous") or {}).get("addon", {}).get("name"))
    return code


def release_verdict(attach: Record, detach: Record, former: str | None) -> tuple[str, int]:
    """The result of the promotion, in the official CLI's words, and its exit code."""
    if attach["status"] == "succeeded":
        has_failed = detach.get("status") == "failed"
        ignored = f" It is safe to ignore the failed {detach['description']} release." if has_failed else ""
        return f"pg:promote succeeded.{ignored}", 0
    if attach["status"] != "failed":
        return "timeout. Check your Attach DATABASE release for failures.", UNKNOWN
    is_bare = not former or detach.get("status") == "succeeded"
    runs_with = "without an attached DATABASE_URL" if is_bare else f"with {former} attached as DATABASE_URL"
    return (
        f"pg:promote failed because {attach['description']} release was unsuccessful. Your application is currently "
        f"running {runs_with}. Check your release phase logs for failure causes."
    ), 1


@command()
@click.argument("database", required=False)
@takes_app
def killall(session: Session, *, database: str | None, app: str) -> None:
    """Terminate all connections of all credentials."""
    with action("Terminating connections for all credentials"):
        addon = find_attachment(session.client, app, database or "DATABASE_URL")["addon"]
        reply = session.client.post(f"{database_path(addon)}/connection_reset")
    session.tell(reply, lambda: None)
