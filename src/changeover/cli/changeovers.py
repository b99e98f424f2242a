"""Changeovers: one command that moves a live database, and what shows and steers those under way."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click

from changeover.cli.changeover_views import show_changeover, show_plan, show_report
from changeover.cli.migration_views import show_migration
from changeover.cli.resolve import Record
from changeover.cli.session import Session, ask_to_begin, command, takes_app
from changeover.cli.terminal import Column, action, mention, paint, say, table
from changeover.cli.waiting import progress
from changeover.client import poll, segment
from changeover.errors import Misused, Reported

PATH = "/changeover/v1/changeovers"


@command()
@click.argument("source", required=False, default="DATABASE_URL")
@click.option("--to", required=True, metavar="PLAN", help="Plan of the new database, or one of the source's followers.")
@click.option("--hold", type=click.Choice(["maintenance", "pooled"]), default="maintenance", show_default=True,
              help="How writes are held: a maintenance page and no dynos, or clients of the pooler wait.")  # fmt: skip
@click.option("--at", metavar="TIME", help="When the pause may begin: 03:00, or 2026-12-24T03:00 (UTC).")
@click.option("--wait", "waits_for_word", is_flag=True, help="Begin the pause only on changeovers:cut-over.")
@click.option(
    "--keep-source", type=click.IntRange(min=0), metavar="DAYS", help="Destroy the source after so many days."
)
@click.option("--end-sessions", is_flag=True, help="End clients with an open transaction instead of waiting for them.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would happen, and stop.")
@click.option("--detach", is_flag=True, help="Begin it and return; changeovers:info shows how far it is.")
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@takes_app
def changeover(
    session: Session, *, source: str, to: str, hold: str, at: str | None, waits_for_word: bool,
    keep_source: int | None, end_sessions: bool, only_plan: bool, detach: bool, yes: bool, app: str,
) -> None:  # fmt: skip
    """Move a live database to another plan, network or tier, with every app that uses it."""
    request: Record = {"app": app, "source": source, "to": to, "hold": hold}
    plan = session.client.post(f"{PATH}/actions/plan", request)
    if only_plan:
        session.tell(plan, lambda: show_plan(plan))
        return
    if not session.wants_json:
        show_plan(plan)
    says = "; --plan shows what would happen"
    ask_to_begin(f"{plan['source']} would be moved.", yes, session.wants_json, else_=says)
    request |= {"at": _moment(at), "waits_for_word": waits_for_word, "ends_sessions": end_sessions}
    begun = session.client.post(PATH, request | ({"keep_source_days": keep_source} if keep_source is not None else {}))
    if detach:
        session.tell(begun, lambda: say(f"Changeover {paint('name', begun['id'])} has begun."))
        return
    _follow(session, begun)


def _follow(session: Session, begun: Record) -> None:
    """Until it has ended, or waits for somebody. Ctrl-C leaves it running."""
    number, seen, shown = begun["id"], begun, ""
    mention(f"Changeover {paint('name', number)}. Ctrl-C leaves it running; changeovers:info {number} shows it again.")
    with progress(f"Moving {paint('datastore', begun['source'])}") as (doing, advance):
        for seen in poll(lambda: session.client.get(f"{PATH}/{number}"), every_s=0.3, pause=session.client.pause):
            advance(_now(seen), seen.get("percent"))
            if seen["finished_at"] or (seen["go_at"] is None and seen["step"] == "cut_over"):
                break
            shown = _now(seen)
        doing.says = {"done": "done", "failed": "failed"}.get(seen["status"], shown or "waiting")
    if seen["status"] == "failed":
        raise Reported(seen["error"] or {})
    session.tell(seen, lambda: show_report(seen) if seen["report"] else show_changeover(seen))


def _now(seen: Record) -> str:
    return str(seen.get("waits_because") or seen["says"])


@command()
def index(session: Session) -> None:
    """List changeovers, the newest first."""
    found = session.client.get(PATH)

    def show() -> None:
        if not found:
            say("No changeovers.")
            return
        columns = [
            Column("Changeover", lambda one: paint("name", one["id"])),
            Column("Source", lambda one: one["source"]),
            Column("Target", lambda one: one["target"] or one["plan"]),
            Column("Hold", lambda one: one["hold"]),
            Column("Status", lambda one: one["status"]),
            Column("Waits for", lambda one: one["waits_because"] or ""),
        ]
        table(found, columns)

    session.tell(found, show)


@command()
@click.argument("number", metavar="ID", type=int)
def info(session: Session, *, number: int) -> None:
    """Show a changeover: step, what it waits for and who is in the way; its report once it is done."""
    seen = session.client.get(f"{PATH}/{number}")
    session.tell(seen, lambda: show_migration(seen) if seen["method"] == "snapshot" else show_changeover(seen))


@command()
@click.argument("number", metavar="ID", type=int)
@click.option("--end-sessions", is_flag=True, help="End clients with an open transaction instead of waiting for them.")
def cut_over(session: Session, *, number: int, end_sessions: bool) -> None:
    """Let the pause begin now, or as soon as the target has caught up."""
    _act(session, number, "cut-over", {"ends_sessions": end_sessions}, "Beginning the pause")


@command()
@click.argument("number", metavar="ID", type=int)
def resume(session: Session, *, number: int) -> None:
    """Try again what could not be done, from where it stands."""
    _act(session, number, "cut-over", {}, "Resuming")


@command()
@click.argument("number", metavar="ID", type=int)
def abort(session: Session, *, number: int) -> None:
    """Put everything back as it was; possible until the point of no return."""
    _act(session, number, "abort", {}, "Calling off")


def _act(session: Session, number: int, act: str, body: Record, doing: str) -> None:
    with action(f"{doing} changeover {paint('name', number)}"):
        seen = session.client.post(f"{PATH}/{segment(str(number))}/actions/{act}", body)
    session.tell(seen, lambda: say(f"`changeover changeovers:info {number}` shows how far it is."))


def _moment(at: str | None, now: datetime | None = None) -> str | None:
    """`HH:MM` is the next one, in UTC."""
    if at is None:
        return None
    now = now or datetime.now(UTC)
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})", at)
    try:
        if clock:
            moment = now.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
            return (moment if moment > now else moment + timedelta(days=1)).isoformat()
        moment = datetime.fromisoformat(at)
    except ValueError:
        raise Misused(f"{at!r} is no time.", fix="Write --at 03:00 or --at 2026-12-24T03:00 (UTC).") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).isoformat()
