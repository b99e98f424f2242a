"""How a migration looks: what was checked before, what was done afterwards; and what a comparison found."""

from __future__ import annotations

import re

from changeover.cli.changeover_views import show_steps
from changeover.cli.findings import MARKS, show_findings
from changeover.cli.resolve import Record
from changeover.cli.terminal import Column, header, one_line, paint, rows, say, table
from changeover.quantities import counted, in_bytes

MOST = 10
MOST_TABLES = 20


def show_plan(checked: Record) -> None:
    """What would be done, then the findings."""
    source, target = checked["source"], checked["target"]
    header(f"Migration of {paint('datastore', source['database'] if source else 'a database')}")
    size, plan = checked["size"] or {}, checked["plan"]
    rows(
        {
            "From": _side(source),
            "To": _side(target),
            "Size": f"{in_bytes(size['bytes'])}, {counted(size['tables'], 'table')}" if size else None,
            "Excluded": excluded(checked["excluded"]),
            "Writers": plan["writers"],
            "Downtime": plan["downtime"],
            "Target": plan["target"],
            "Owners and roles": plan["owners"],
            "Compared afterwards": plan["verify"],
        }
    )
    say()
    show_findings(checked)


def excluded(found: Record | None) -> list[str]:
    """What the patterns leave out, a line for each kind of thing; empty where they leave out nothing."""
    if not found:
        return []
    kinds = {
        "schemas": [_quoted(name) for name in found["schemas"]],
        "tables, views and sequences": [".".join(map(_quoted, name)) for name in found["tables"]],
        "extensions": [_quoted(name) for name in found["extensions"]],
        "functions are brought whose text names what is excluded": found["mentioned_by"],
    }
    return [f"{len(names):,} {kind}: {_some(names)}" for kind, names in kinds.items() if names]


def _quoted(name: str) -> str:
    """As psql prints it: `shop`, `"Odd.Name"`."""
    escaped = name.replace('"', '""')
    return name if re.fullmatch("[a-z_][a-z0-9_$]*", name) else f'"{escaped}"'


def _some(names: list[str]) -> str:
    more = f" and {len(names) - MOST:,} more" if len(names) > MOST else ""
    return ", ".join(map(one_line, names[:MOST])) + more


def _side(side: Record | None) -> str | None:
    return f"{side['address']}, {side['version']}, {side['provider']['title']}" if side else None


def list_migrations(found: list[Record]) -> None:
    """One a line, the newest first."""
    if not found:
        say("No migrations.")
        return
    columns = [
        Column("Migration", lambda one: paint("name", one["id"])),
        Column("From", lambda one: one["source"]),
        Column("To", lambda one: one["target"]),
        Column("Status", _status),
        Column("Began", lambda one: one["created_at"]),
        Column("Ended", lambda one: one["finished_at"] or ""),
    ]
    table(found, columns)


def _status(seen: Record) -> str:
    if seen["finished_at"]:
        if seen["status"] == "done":
            return "done"
        how = "aborted" if _is_aborted(seen) else "failed"
        return f"{how}, not all put back" if _left(seen) else f"{how}, all put back"
    if seen["status"] == "undoing":
        return "being put back"
    return f"stopped at: {seen['says']}" if seen["stopped"] else f"under way: {seen['says']}"


def _is_aborted(seen: Record) -> bool:
    """A user asked for its end: it did not fail."""
    return (seen["error"] or {}).get("id") == "run_cancelled"


def _left(seen: Record) -> list[str]:
    return list(seen["report"].get("left") or [])


def show_migration(seen: Record) -> None:
    """The whole of it, once it has ended; how far it is before."""
    report = seen["report"]
    copied: Record = report.get("copy") or {}
    is_done, failure = seen["status"] == "done", _failure(seen)
    header(f"Migration {paint('name', seen['id'])}: {_status(seen)}")
    rows(
        {
            "From": seen["source"],
            "To": seen["target"],
            "Waits for": None if seen["finished_at"] or seen["stopped"] else seen["waits_because"],
            "Failed": [failure[part] for part in ("what", "why", "fix") if failure.get(part)],
            "Still there": _left(seen),
            "Writers": _HELD[seen["hold"]] if is_done else _held_since(seen),
            "Downtime": _downtime(seen),
            "Copied": _copied(copied),
            "Excluded": excluded(copied.get("excluded")),
            "Roles made": ", ".join(copied.get("roles_made") or []) or None,
            "Want a password": ", ".join(copied.get("roles_without_password") or []) or None,
            "Notes": [*(report.get("remarks") or []), *(copied.get("notes") or [])],
            "Verified": [_verified(report.get("verification"), seen), *_remarks(report.get("verification"))]
            if is_done
            else None,
            "Next": _next(seen),
        }
    )
    if not seen["finished_at"]:
        say()
        show_steps(seen)
    _show_tables(copied)


def _failure(seen: Record) -> Record:
    """Why it failed or stopped; empty where neither happened."""
    if _is_aborted(seen):
        return {}
    return (seen["error"] if seen["finished_at"] else seen["stopped"]) or {}


def _show_tables(copied: Record) -> None:
    """The largest tables; the whole list is in the answer as JSON. A former version's report has none."""
    listed = copied.get("per_table") or []
    if not listed:
        return
    say()
    columns = [
        Column("Table", lambda one: one_line(f"{one['schema']}.{one['table']}")),
        Column("Rows", lambda one: "unknown" if one["rows"] is None else f"{one['rows']:,}"),
        Column("Size", lambda one: in_bytes(one["bytes"])),
        Column("Seconds", lambda one: "unknown" if one["seconds"] is None else f"{one['seconds']:,.1f}"),
    ]
    table(listed[:MOST_TABLES], columns)
    if (more := copied["tables"] - MOST_TABLES) > 0:
        say(f"and {more:,} more; --json lists them.")


def _held_since(seen: Record) -> str | None:
    return f"held since {seen['held_since']}" if seen.get("held_since") else None


def _downtime(seen: Record) -> str | None:
    report, prediction = seen["report"], seen["prediction"].get("predicted_pause_s")
    if "held_s" not in report:
        return None
    predicted = f"; predicted: {prediction:,.0f} s" if prediction is not None else ""
    return f"{report['held_s']:,.1f} s from the hold to its end{predicted}"


_HELD = {
    "none": "went on: what they wrote since the copy began is not on the target",
    "read-only": "held: the source is read-only, and stays so",
    "pgbouncer": "waited at their PgBouncer, and were led to the target",
    "command": "held by your own command",
}


def _copied(copied: Record) -> str | None:
    if not copied:
        return None
    size, phases = copied["bytes"], copied["seconds"]
    rate = f", {in_bytes(size / phases['copy'])}/s" if phases.get("copy") and size > 1e6 else ""
    return f"{counted(copied['tables'], 'table')}, {in_bytes(size)} in {sum(phases.values()):.1f} s{rate}"


def _verified(found: Record | None, seen: Record) -> str:
    if not found:
        return "no: `changeover verify` compares both sides, once nobody writes"
    kind = "rows counted" if found["is_quick"] else "all content compared"
    if found["result"] == "equal":
        return f"{kind}: equal ({found['rows_compared']:,} rows in {found['seconds']:.1f} s)"
    if found["result"] == "unknown":
        return f"{kind}: not everything could be compared, and nothing that could differs"
    count, named = len(found["differences"]), found.get("differences_named", 0)
    if count and named == count:
        return (
            f"{kind}: equal but for {count} that {'the note names' if count == 1 else 'the notes name'} as not brought"
        )
    live = " (its writers went on)" if seen["hold"] == "none" else ""
    return f"{kind}: {found['result']}{live}; {count} differences"


def _remarks(found: Record | None) -> list[str]:
    """What was not compared, and what is different in a way that is no fault."""
    if not found:
        return []
    unknown = [f"not compared: {one['thing']}: {one['why']}" for one in found["unknown"][:MOST]]
    return [*unknown, *_notes(found)]


def _notes(found: Record) -> list[str]:
    notes = [one_line(note) for part in found["parts"] for note in part["notes"]]
    more = [f"and {len(notes) - MOST:,} more; --json lists them"] if len(notes) > MOST else []
    return [*notes[:MOST], *more]


def _next(seen: Record) -> str | None:
    if seen["status"] != "done":
        return None
    if seen["hold"] == "read-only":
        database = seen["source"].split(" on ")[0].replace('"', '""')
        return (
            "point the applications to the target; to give the source back to its writers instead: "
            f'SET default_transaction_read_only = off; ALTER DATABASE "{database}" RESET default_transaction_read_only'
        )
    return None


def show_verification(seen: Record) -> None:
    """Equal, or where it differs first; what could not be compared."""
    report = seen["report"]
    named, known = report.get("named") or [], f"what the report of migration {report.get('migration')} names"
    style, mark = {"equal": MARKS["passed"], "named": MARKS["passed"], "differs": MARKS["failed"]}.get(
        report["result"], MARKS["unknown"]
    )
    says = {"equal": "Both hold the same.", "differs": "They differ.", "unknown": "Not everything could be compared.",
            "named": f"Both hold the same, except for {known}."}  # fmt: skip
    header(f"{seen['source']} beside {seen['target']}")
    say(f" {paint(style, mark)} {says[report['result']]}")
    for one in report["differences"][:MOST]:
        say(f" {paint('bad', '✘')} {one['text']}")
    for one in report["unknown"][:MOST]:
        say(f" {paint('caution', '?')} {one['thing']}: {one['why']}")
    if named and report["result"] != "named":
        say(f" {paint('caution', '▸')} Not counted is {known}:")
    for one in named[:MOST]:
        say(f" {paint('caution', '▸')} {one['text']}")
    say()
    rows({part["name"].capitalize(): _part(part) for part in report["parts"]}
         | {"Excluded": excluded(report.get("excluded")), "Notes": _notes(report)})  # fmt: skip
    say()
    kind = "Counted" if report["is_quick"] else "Compared"
    say(f"{kind} {report['rows_compared']:,} rows, {in_bytes(report['bytes_compared'])}, in {report['seconds']:.1f} s.")


def _part(part: Record) -> str:
    counts = f"{part['compared']} compared" + (f" by {part['how']}" if part["how"] else "")
    totals = ((part["differences_total"], "differ"), (part["unknown_total"], "unknown"))
    more = [f"{total} {says}" for total, says in totals if total]
    return ", ".join([counts, *more]) if more else f"{counts}, {part['result']}"
