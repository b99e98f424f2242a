"""Moving and comparing databases between two addresses, with a control plane of ours or without one."""

from __future__ import annotations

from typing import Any

import click

from changeover.cli.addresses import address
from changeover.cli.failures import UNKNOWN
from changeover.cli.failures import report as report_failure
from changeover.cli.migration_views import (
    list_migrations,
    show_migration,
    show_plan,
    show_verification,
)
from changeover.cli.private import a_plane, was_any
from changeover.cli.resolve import Record
from changeover.cli.session import Session, ask_to_begin, command, may_take_app
from changeover.cli.terminal import mention, paint, say, want_json_lines
from changeover.cli.waiting import wait_for_addon
from changeover.cli.watching import watched
from changeover.client import Client, segment
from changeover.errors import Misused, NotAvailable, NotFound, Reported

PLANS = "heroku-postgresql:"
NOT_EMPTY = "T2"
"""The check of docs/checks.md that the target is empty."""
PATTERNS = ("exclude_tables", "exclude_schemas", "only_schemas")
MIGRATIONS, VERIFICATIONS = "/changeover/v1/migrations", "/changeover/v1/verifications"


@command()
@click.argument("source")
@click.argument("target")
@click.option("--method", type=click.Choice(["snapshot"]), default="snapshot", show_default=True, expose_value=False,
              help="How rows reach the target: a copy of the source as it is at one moment.")  # fmt: skip
@click.option(
    "--hold",
    metavar="none|read-only|pgbouncer:URL",
    help="What the source's writers do meanwhile: go on (the default), can't write, or wait at their PgBouncer.",
)
@click.option("--on-hold", metavar="CMD", help="Your command that stops the writers; URLs are in its environment.")
@click.option("--on-switch", metavar="CMD", help="Your command that leads them to the target.")
@click.option("--on-release", metavar="CMD", help="Your command that lets them go on, also after an abort.")
@click.option("--verify", type=click.Choice(["full", "counts", "none"]), help="Compare afterwards: full where held.")
@click.option("--refresh", type=click.Choice(["all", "none"]),
              help="Fill the materialized views that are filled on SOURCE (all), or leave them empty.")  # fmt: skip
@click.option("--connections", type=click.IntRange(1, 16), help="Tables at once; 2 unless said otherwise.")
@click.option("--no-owners", is_flag=True, help="All belongs to TARGET's role; no roles and rights are brought.")
@click.option("--exclude-table", "exclude_tables", multiple=True, metavar="PATTERN",
              help="Leave out these tables (SCHEMA.TABLE; * and ? stand for any characters).")  # fmt: skip
@click.option("--exclude-schema", "exclude_schemas", multiple=True, metavar="PATTERN", help="Leave out these schemas.")
@click.option("--only-schema", "only_schemas", multiple=True, metavar="PATTERN", help="Bring only these schemas.")
@click.option("--ignore", "ignored", multiple=True, metavar="CHECK", help="Take a failed check for granted.")
@click.option("--plan", "only_plans", is_flag=True, help="Check, show what would be done, and change nothing.")
@click.option("--abort", "aborts", is_flag=True, help="Call it off, and remove everything that it made.")
@click.option("--detach", is_flag=True, help="Begin it and return; the same command shows it again.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@may_take_app
def migrate(
    session: Session, *, source: str, target: str, hold: str | None, only_plans: bool, aborts: bool, detach: bool, yes: bool,
    no_owners: bool, ignored: tuple[str, ...], app: str | None, **given: Any,
) -> None:  # fmt: skip
    """Bring the database SOURCE to TARGET: any PostgreSQL to any other, or a new one of a plan.

    The same command again goes on with it, and shows its report once it has ended.
    """
    want_json_lines(not only_plans)
    if target.startswith(PLANS):
        _require_existing(target, only_plans)
        target = _created(session, app, target)
    ends = {"source": address(source, "SOURCE"), "target": address(target, "TARGET")}
    options = _options(hold, no_owners, ignored, given)
    with a_plane(session) as client:
        if aborts:
            _abort(session, client, ends)
        elif only_plans:
            raise SystemExit(_plan(session, client, ends, options))
        elif (finished := _finished(client, ends)) is not None:
            _require_same(finished, options)
            mention(
                "This migration has ended, and the target is no longer empty. To repeat it, empty the target first."
            )
            _show(session, finished)
        else:
            _begin(session, client, ends, options, detach=detach, yes=yes)


def _options(hold: str | None, no_owners: bool, ignored: tuple[str, ...], given: Record) -> Record:
    """Only what was typed: the rest is the server's default, or what a migration under way has."""
    given = {name: [*value] or None if isinstance(value, tuple) else value for name, value in given.items()}
    typed = {**given, **_hold(hold, given.get("on_hold")), "keeps_owners": False if no_owners else None}
    return {name: value for name, value in {**typed, "ignored": [*ignored] or None}.items() if value is not None}


def _begin(session: Session, client: Client, ends: Record, options: Record, *, detach: bool, yes: bool) -> None:
    if not yes and not client.post(f"{MIGRATIONS}/actions/find", ends)["id"]:
        _ask(session, client, ends, options)
    begun = client.post(MIGRATIONS, {**ends, **options})
    if detach:
        session.tell(begun, lambda: say(f"Migration {paint('name', begun['id'])} goes on by itself."))
        return
    _show(session, _followed(session, client, begun))


def _finished(client: Client, ends: Record) -> Record | None:
    """The last migration between the two, where that was done and what it brought is still there."""
    known = client.post(f"{MIGRATIONS}/actions/find", ends)
    if known["id"] or not known["finished"]:
        return None
    checked = client.post("/changeover/v1/checks", {**ends, "sample_s": 0})
    is_filled = any(one["id"] == NOT_EMPTY and one["result"] == "failed" for one in checked["findings"])
    return dict(client.get(f"{MIGRATIONS}/{known['finished']}")) if is_filled else None


def _require_same(finished: Record, options: Record) -> None:
    """Options that say what arrives can't take effect once it has arrived."""
    decides = (*PATTERNS, "keeps_owners", "refresh")
    late = [name for name in decides if name in options and options[name] != _was(finished, name, options[name])]
    if late:
        named = ", ".join(name.replace("_", " ") for name in late)
        raise NotAvailable(
            f"Migration {finished['id']} between these two has ended, with other options: {named}.",
            fix="Empty the target first to migrate again; `changeover migrations:info "
            f"{finished['id']}` shows what was done.",
        )


def _was(finished: Record, name: str, unknown: Any) -> Any:
    """A former version's migration had no patterns; of another option that it does not have, nothing is known."""
    return finished["options"].get(name, [] if name in PATTERNS else unknown)


def _require_existing(target: str, only_plans: bool) -> None:
    if only_plans:
        raise Misused(
            "--plan needs a TARGET that exists.",
            why=f"{target} would be made first.",
            fix="Create it, or check SOURCE alone.",
        )


def _created(session: Session, app: str | None, plan: str) -> str:
    """The name of a new database of that plan, for an app."""
    if not app:
        raise Misused("A new database needs an app.", fix="Name it with --app; or give the address of a database.")
    addon = session.client.post(f"/apps/{segment(app)}/addons", {"plan": plan})
    addon = wait_for_addon(session.client, addon)
    mention(f"Created {paint('addon', addon['name'])}. To go on later, name it as TARGET.")
    return str(addon["name"])


def _hold(text: str | None, on_hold: str | None) -> Record:
    if text is None:
        return {"hold": "command"} if on_hold else {}
    kind, _, console = text.partition(":")
    if kind == "pgbouncer":
        return {"hold": kind, "pgbouncer": address(console, "the console of PgBouncer")}
    if kind not in ("none", "read-only") or console:
        raise Misused(
            f"--hold can't be {kind!r}.", fix="It is none, read-only or pgbouncer:URL; or give --on-hold CMD."
        )
    return {"hold": "command" if on_hold and kind == "none" else kind}


def _ask(session: Session, client: Client, ends: Record, options: Record) -> None:
    planned = client.post(f"{MIGRATIONS}/actions/plan", {**ends, **options})
    if not session.wants_json:
        show_plan(planned)
    if planned["refusal"]:
        raise Reported(planned["refusal"])
    ask_to_begin(f"{planned['source']['database']} would be copied.", False, session.wants_json)


def _plan(session: Session, client: Client, ends: Record, options: Record) -> int:
    """Shown or printed; the exit code of `check`, for what is not ignored."""
    planned = client.post(f"{MIGRATIONS}/actions/plan", {**ends, **options})
    session.tell(planned, lambda: show_plan(planned))
    if planned["refusal"]:
        return 1
    return UNKNOWN if planned["verdict"] == "unknown" else 0


def _abort(session: Session, client: Client, ends: Record) -> None:
    """Until all is put back; exits with 1 when something can't be."""
    begun = client.post(f"{MIGRATIONS}/actions/abort", ends)
    seen = watched(session, client, f"{MIGRATIONS}/{begun['id']}", begun)
    _show(session, seen)
    if seen["report"].get("left"):
        raise SystemExit(1)


def _followed(session: Session, client: Client, begun: Record) -> Record:
    """Until it has ended or stopped. Ctrl-C leaves it running."""
    mention(f"Migration {paint('name', begun['id'])}. Ctrl-C leaves it running; the same command shows it again.")
    seen = watched(session, client, f"{MIGRATIONS}/{begun['id']}", begun, ends_when=lambda one: bool(one["stopped"]))
    if seen["stopped"] and not seen["finished_at"]:
        raise Reported(seen["stopped"])
    if seen["status"] == "failed" and (seen["error"] or {}).get("id") != "run_cancelled":
        raise Reported(seen["error"] or {})
    return seen


def _show(session: Session, seen: Record) -> None:
    session.tell(seen, lambda: show_migration(seen))


@command()
def index(session: Session) -> None:
    """List migrations: what goes on, what has stopped, what was done."""
    found: list[Record] = []
    if was_any(session):
        with a_plane(session) as client:
            found = client.get(MIGRATIONS)
    session.tell(found, lambda: list_migrations(found))


@command()
@click.argument("number", metavar="ID", type=int)
def info(session: Session, *, number: int) -> None:
    """Show a migration: how far it is, or the report of what was done."""
    if not was_any(session):
        raise NotFound("Couldn't find that migration.", why="None was ever begun here.")
    with a_plane(session) as client:
        _show(session, client.get(f"{MIGRATIONS}/{number}"))


@command()
@click.argument("source")
@click.argument("target")
@click.option("--counts", "is_quick", is_flag=True, help="Count rows only; don't compare what is in them.")
def verify(session: Session, *, source: str, target: str, is_quick: bool) -> None:
    """Compare two databases: schema, rows, sequences, large objects. Names what differs first."""
    ends = {"source": address(source, "SOURCE"), "target": address(target, "TARGET")}
    with a_plane(session) as client:
        begun = client.post(VERIFICATIONS, {**ends, "is_quick": is_quick})
        seen = watched(session, client, f"{VERIFICATIONS}/{begun['id']}", begun)
    if seen["status"] == "failed":
        report_failure(Reported(seen["error"] or {}), as_json=session.wants_json)
        click.get_current_context().exit(UNKNOWN)  # 1 would say that the databases differ
    session.tell(seen, lambda: show_verification(seen))
    report = seen["report"]
    if report["differences"] or report["unknown"]:  # what a migration's report names is in neither
        click.get_current_context().exit(1 if report["differences"] else UNKNOWN)
