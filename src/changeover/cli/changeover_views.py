"""How a changeover looks: its plan before, its state while it lasts, its report afterwards."""

from __future__ import annotations

from changeover.cli.findings import show_findings
from changeover.cli.resolve import Record
from changeover.cli.terminal import header, paint, rows, say

STATES = {"done": "✓", "current": "▸", "pending": "·"}


def show_plan(plan: Record) -> None:
    header(f"Changeover of {paint('datastore', plan['source'])}")
    rows(
        {
            "From": plan["source_plan"],
            "To": plan["target"] or f"{plan['plan']}, for {plan['app']}",
            "Apps": plan["apps"] or ["none"],
            "Hold": plan["hold_says"],
            "Pause": f"about {plan['predicted_pause_s']:g} s: {plan['prediction_because']}",
            "Rejected": plan["rejected"] or ["nobody is connected past a pooler just now"],
        }
    )
    say()
    show_findings(plan)


def show_changeover(seen: Record) -> None:
    header(f"Changeover {paint('name', seen['id'])}: {paint('datastore', seen['source'])}")
    error: Record = seen.get("error") or {}
    is_over = bool(seen["report"] and seen["finished_at"])
    rows(
        {
            "Target": seen["target"] or seen["plan"],
            "Hold": seen["hold"] + (" (held now)" if seen["is_held"] and not seen["finished_at"] else ""),
            "Status": seen["status"],
            "Waits for": seen["waits_because"],
            "In the way": seen.get("in_the_way") or None,
            "What to do": _advice(seen),
            "Last attempt": seen["remark"],
            **({} if is_over else _old_side(seen)),
            "Error": [part for part in (error.get("what"), error.get("why"), error.get("fix")) if part],
        }
    )
    say()
    show_steps(seen)
    if is_over:
        say()
        show_report(seen)


def show_steps(seen: Record) -> None:
    """The table of steps, with the phases of a pause that outlives workers below its step."""
    names = [step["name"] for step in seen["steps"]]
    at = names.index(seen["step"]) if seen["step"] in names else 0
    for number, step in enumerate(seen["steps"]):
        state = "done" if number < at or seen["status"] == "done" else "current" if number == at else "pending"
        say(f" {STATES[state]} {step['says']}")
        if step["name"] == "cut_over" and state == "current" and seen["phase"]:
            for phase in seen["phases"]:
                say(f"   {STATES['done' if phase['is_reached'] else 'pending']} {phase['says']}")


FINDINGS = {
    "fenced": "fenced, a login was refused just now",
    "down": "it does not answer; its fence is there when it comes back",
    "open": "NOT FENCED: it takes writes that are on no other database",
}


def _old_side(seen: Record) -> Record:
    """What is known of the source after the switch."""
    old: Record = seen.get("old_side") or {}
    breach: Record = old.get("breach") or {}
    times = f"; this is the last of {old['breaches']} times" if old.get("breaches", 0) > 1 else ""
    return {
        "Old side": FINDINGS.get(str(old.get("finding"))),
        "Last proof": old.get("fenced_at"),
        "Refused there": old.get("refused") or None,
        "Was open": [
            f"at most from {breach['since']} to {breach['found_at']}{times}",
            f"put back; ended: {', '.join(breach['ended']) or 'nobody'}" if breach["is_put_back"] else breach["because"],
            "What was written there meanwhile is on no other database.",
        ] if breach else None,
    }  # fmt: skip


def _advice(seen: Record) -> str | None:
    if seen["finished_at"] or seen["is_past_return"]:
        return None
    if seen.get("in_the_way"):
        return (
            "Let it end; or end it: `changeover pg:kill PID`, "
            f"`changeover changeovers:cut-over {seen['id']} --end-sessions`."
        )
    return None


def show_report(seen: Record) -> None:
    """The phases to the millisecond, and who both sides are."""
    report = seen["report"]
    header(f"Report of changeover {paint('name', seen['id'])}")
    source, target = report.get("source", {}), report.get("target", {})
    rows(
        {
            "Pause": f"{report.get('pause_s', 0):.3f} s, predicted {report.get('predicted_pause_s') or 0:g} s",
            "Source": f"{source.get('name')}, system {source.get('system_identifier')}, timeline {source.get('timeline')}, "
            f"ended at {source.get('position')}",
            "Target": f"{target.get('name')}, timeline {target.get('timeline')}, "
            f"{'writable' if target.get('is_writable') else 'not writable'}",
            "Fence": report.get("refusal"),
            "Sessions ended": report.get("rejected") or ["none"],
            **_old_side(seen),
            "Not proven": report.get("not_proven"),
        }
    )
    say()
    for event in report["timeline"]:
        say(f" {event['at_s'] * 1000:9.1f} ms  {event['phase']}")
