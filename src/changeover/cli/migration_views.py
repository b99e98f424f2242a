"""How a migration looks: what was checked before, what was done afterwards; and what a comparison found."""

from __future__ import annotations

from changeover.cli.changeover_views import MARKS
from changeover.cli.resolve import Record
from changeover.cli.terminal import header, paint, rows, say
from changeover.errors.elsewhere import CheckFailed

MOST = 10


def show_plan(checked: Record) -> None:
    """The findings that are not passed, and how many are."""
    source, target = checked["source"], checked["target"]
    header(f"Migration of {paint('datastore', source['database'] if source else 'a database')}")
    size, forecast = checked["size"] or {}, checked["forecast"] or {}
    rows(
        {
            "From": _side(source),
            "To": _side(target),
            "Size": f"{size['bytes'] / 1e6:,.0f} MB, {size['tables']} tables" if size else None,
            "Copying": f"about {forecast['downtime_s']:,.0f} s: {forecast['because']}" if forecast else None,
        }
    )
    say()
    shown = [one for one in checked["findings"] if one["result"] != "passed"]
    for one in shown:
        style, mark = MARKS[one["result"]]
        say(f" {paint(style, mark)} {one['id']}: {one['what']}")
        for more in (one["why"], one["fix"]):
            if more:
                say(f"   {more}")
    say(f" {paint('good', '✓')} {checked['counts']['passed']} checks passed")
    say()


def _side(side: Record | None) -> str | None:
    return f"{side['address']}, {side['version']}, {side['provider']['title']}" if side else None


def failures_of(checked: Record, ignored: tuple[str, ...]) -> Record | None:
    """As an error's body; None where nothing stands in the way."""
    failed = [one for one in checked["findings"] if one["result"] == "failed" and one["id"] not in ignored]
    if not failed:
        return None
    return CheckFailed(
        "The database can't be brought over yet; nothing was changed.",
        why="\n".join(f"{one['id']}: {one['what']}" for one in failed),
        fix="\n".join(one["fix"] for one in failed if one["fix"]),
    ).as_dict()


def show_migration(seen: Record) -> None:
    """The whole of it, once it has ended."""
    report = seen["report"]
    copied: Record = report.get("copy") or {}
    header(f"Migration {paint('name', seen['id'])}: {_OUTCOMES.get(seen['status'], seen['status'])}")
    rows(
        {
            "From": seen["source"],
            "To": seen["target"],
            "Writers": _HELD[seen["wish"]["hold"]] if seen["status"] == "done" else None,
            "Copied": _copied(copied),
            "Roles made": ", ".join(copied.get("roles_made") or []) or None,
            "Want a password": ", ".join(copied.get("roles_without_password") or []) or None,
            "Notes": [*(report.get("remarks") or []), *(copied.get("notes") or [])],
            "Verified": _verified(report.get("verification"), seen) if seen["status"] == "done" else None,
            "Next": _next(seen),
        }
    )


_OUTCOMES = {"done": "done", "failed": "called off; what it made was removed"}
_HELD = {
    "none": "went on: what they wrote since the copy began is not on the target",
    "read-only": "held: the source is read-only, and stays so",
    "pgbouncer": "waited at their PgBouncer, and were led to the target",
    "command": "held by your own command",
}


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _copied(copied: Record) -> str | None:
    if not copied:
        return None
    size, phases = copied["bytes"], copied["seconds"]
    rate = f", {size / phases['copy'] / 1e6:.0f} MB/s" if phases.get("copy") and size > 1e6 else ""
    return f"{_counted(copied['tables'], 'table')}, {size / 1e6:,.1f} MB in {sum(phases.values()):.1f} s{rate}"


def _verified(found: Record | None, seen: Record) -> str:
    if not found:
        return "no: `changeover verify` compares both sides, once nobody writes"
    kind = "rows counted" if found["is_quick"] else "all content compared"
    if found["result"] == "equal":
        return f"{kind}: equal ({found['rows_compared']:,} rows in {found['seconds']:.1f} s)"
    live = " (its writers went on)" if seen["wish"]["hold"] == "none" else ""
    return f"{kind}: {found['result']}{live}; {len(found['differences'])} differences"


def _next(seen: Record) -> str | None:
    if seen["status"] != "done":
        return None
    if seen["wish"]["hold"] == "read-only":
        database = seen["source"].split(" on ")[0]
        return (
            "point the applications to the target; to give the source back to its writers instead: "
            f'ALTER DATABASE "{database}" RESET default_transaction_read_only'
        )
    return None


def show_verification(seen: Record) -> None:
    """Equal, or where it differs first; what could not be compared."""
    report = seen["report"]
    style, mark = {"equal": MARKS["passed"], "differs": MARKS["failed"]}.get(report["result"], MARKS["unknown"])
    says = {"equal": "Both hold the same.", "differs": "They differ.", "unknown": "Not everything could be compared."}
    header(f"{seen['source']} beside {seen['target']}")
    say(f" {paint(style, mark)} {says[report['result']]}")
    for one in report["differences"][:MOST]:
        say(f" {paint('bad', '✘')} {one['text']}")
    for one in report["unknown"][:MOST]:
        say(f" {paint('caution', '?')} {one['thing']}: {one['why']}")
    say()
    rows({part["name"].capitalize(): _part(part) for part in report["parts"]})
    say()
    kind = "Counted" if report["is_quick"] else "Compared"
    say(
        f"{kind} {report['rows_compared']:,} rows, {report['bytes_compared'] / 1e6:,.0f} MB, in {report['seconds']:.1f} s."
    )


def _part(part: Record) -> str:
    counts = f"{part['compared']} compared" + (f" by {part['how']}" if part["how"] else "")
    totals = ((part["differences_total"], "differ"), (part["unknown_total"], "unknown"))
    more = [f"{total} {says}" for total, says in totals if total]
    return ", ".join([counts, *more]) if more else f"{counts}, {part['result']}"
