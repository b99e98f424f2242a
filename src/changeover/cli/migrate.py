"""Moving and comparing databases between two addresses, with a control plane of ours or without one."""

from __future__ import annotations

from typing import Any

import click

from changeover.cli.addresses import address
from changeover.cli.migration_views import failures_of, show_migration, show_plan, show_verification
from changeover.cli.private import a_plane
from changeover.cli.resolve import Record
from changeover.cli.session import Session, ask_to_begin, command, may_take_app
from changeover.cli.terminal import mention, paint, say
from changeover.cli.waiting import wait_for_addon
from changeover.cli.watching import watched
from changeover.client import Client, segment
from changeover.errors import Misused, Reported

PLANS = "heroku-postgresql:"
MIGRATIONS, VERIFICATIONS = "/changeover/v1/migrations", "/changeover/v1/verifications"


@command()
@click.argument("source")
@click.argument("target")
@click.option("--method", type=click.Choice(["snapshot"]), default="snapshot", show_default=True,
              help="How rows reach the target: a copy of the source as it is at one moment.")  # fmt: skip
@click.option("--hold", default="none", metavar="none|read-only|pgbouncer:URL", show_default=True,
              help="What the source's writers do meanwhile: go on, can't write, or wait at their PgBouncer.")  # fmt: skip
@click.option("--on-hold", metavar="CMD", help="Your command that stops the writers; URLs are in its environment.")
@click.option("--on-switch", metavar="CMD", help="Your command that leads them to the target.")
@click.option("--on-release", metavar="CMD", help="Your command that lets them go on, also after an abort.")
@click.option("--verify", type=click.Choice(["full", "counts", "none"]), help="Compare afterwards: full where held.")
@click.option("--connections", type=click.IntRange(1, 16), default=2, show_default=True, help="Tables at once.")
@click.option("--no-owners", is_flag=True, help="All belongs to TARGET's role; no roles and rights are brought.")
@click.option("--ignore", "ignored", multiple=True, metavar="CHECK", help="Take a failed check for granted.")
@click.option("--abort", "aborts", is_flag=True, help="Call it off, and remove everything that it made.")
@click.option("--detach", is_flag=True, help="Begin it and return; the same command shows it again.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@may_take_app
def migrate(
    session: Session, *, source: str, target: str, hold: str, aborts: bool, detach: bool, yes: bool, no_owners: bool,
    ignored: tuple[str, ...], app: str | None, **given: Any,
) -> None:  # fmt: skip
    """Bring the database SOURCE to TARGET: any PostgreSQL to any other, or a new one of a plan. Again: it goes on."""
    if target.startswith(PLANS):
        target = _created(session, app, target)
    ends = {"source": address(source, "SOURCE"), "target": address(target, "TARGET")}
    wish = {**ends, **given, **_hold(hold, given.get("on_hold")), "keeps_owners": not no_owners, "ignored": [*ignored]}
    with a_plane(session) as client:
        if aborts:
            _show(session, _aborted(session, client, client.post(f"{MIGRATIONS}/actions/abort", ends)))
            return
        if not yes and not _is_under_way(client, ends):
            _ask(session, client, ends, ignored)
        begun = client.post(MIGRATIONS, wish)
        if detach:
            session.tell(begun, lambda: say(f"Migration {paint('name', begun['id'])} goes on by itself."))
            return
        _show(session, _followed(session, client, begun))


def _created(session: Session, app: str | None, plan: str) -> str:
    """The name of a new database of that plan, for an app."""
    if not app:
        raise Misused("A new database needs an app.", fix="Name it with --app; or give the address of a database.")
    addon = session.client.post(f"/apps/{segment(app)}/addons", {"plan": plan})
    addon = wait_for_addon(session.client, addon)
    mention(f"Created {paint('addon', addon['name'])}. To go on later, name it as TARGET.")
    return str(addon["name"])


def _hold(text: str, on_hold: str | None) -> Record:
    kind, _, console = text.partition(":")
    if kind == "pgbouncer":
        return {"hold": kind, "pgbouncer": address(console, "the console of PgBouncer")}
    if kind not in ("none", "read-only") or console:
        raise Misused(
            f"--hold can't be {kind!r}.", fix="It is none, read-only or pgbouncer:URL; or give --on-hold CMD."
        )
    return {"hold": "command" if on_hold and kind == "none" else kind}


def _is_under_way(client: Client, ends: Record) -> bool:
    """Then nobody has to be asked again."""
    return bool(client.post(f"{MIGRATIONS}/actions/find", ends)["id"])


def _ask(session: Session, client: Client, ends: Record, ignored: tuple[str, ...]) -> None:
    checked = client.post("/changeover/v1/checks", {**ends, "sample_s": 1})
    if not session.wants_json:
        show_plan(checked)
    if failed := failures_of(checked, ignored):
        raise Reported(failed)
    ask_to_begin(f"{checked['source']['database']} would be copied.", False, session.wants_json)


def _aborted(session: Session, client: Client, begun: Record) -> Record:
    """Until all is put back."""
    return watched(session, client, f"{MIGRATIONS}/{begun['id']}", begun)


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
        raise Reported(seen["error"] or {})
    session.tell(seen, lambda: show_verification(seen))
    report = seen["report"]
    if report["differences"] or report["unknown"]:
        raise SystemExit(1 if report["differences"] else 3)
