"""What a changeover between two addresses would do, and what speaks against it. Looks, and changes nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass

from changeover.changeovers.checks import Checked, Finding, check
from changeover.changeovers.holds.registry import holds
from changeover.changeovers.methods.snapshot.choosing import excluded_from
from changeover.changeovers.methods.snapshot.options import SnapshotOptions
from changeover.errors.elsewhere import CheckFailed
from changeover.platform.scope import Parts
from changeover.postgres.excluding import Excluded
from changeover.postgres.location import Location

SAMPLE_S = 1.0
MOST_ROLES = 10
VERIFICATIONS = {
    "full": "all content of both sides is compared",
    "counts": "rows of both sides are counted",
    "none": "nothing: `changeover verify` compares both sides, once nobody writes",
}


@dataclass(frozen=True)
class Intentions:
    """What would be done, in words."""

    writers: str
    downtime: str
    target: str
    owners: str
    verify: str


@dataclass(frozen=True)
class MigrationPlan:
    """`refusal`: why it can't begin; None when it can."""

    checked: Checked
    excluded: Excluded | None
    intentions: Intentions
    refusal: CheckFailed | None


async def plan_migration(parts: Parts, source: Location, target: Location, options: SnapshotOptions) -> MigrationPlan:
    """Raises CannotExclude, and what `check` raises."""
    checked = await check(source, target, sample_s=SAMPLE_S, installations=parts.installations)
    excluded = None
    if checked.source is not None and options.filters:
        excluded = await excluded_from(source, options.filters, checked.skips()["skip_schemas"])
    refusal = refusal_for(checked, options.ignored, source.database)
    writers = holds(parts)[options.hold].says
    return MigrationPlan(checked, excluded, _intentions(checked, options, writers), refusal)


def refusal_for(checked: Checked, ignored: Collection[str], database: str) -> CheckFailed | None:
    """The failed checks that are not ignored, as one error; None without any."""
    failed = [one for one in checked.findings if one.result == "failed" and one.id not in ignored]
    if not failed:
        return None
    return CheckFailed(
        f"{database} can't be moved yet; nothing was changed.",
        why="\n".join(in_a_line(one) for one in failed),
        fix=f"Fix that, then run the command again. `--ignore {failed[0].id}` skips a failed check.",
    )


def in_a_line(finding: Finding) -> str:
    """Its id, what was found, the query that lists it, and the fix."""
    lists = f"To list them: {finding.query}" if finding.query else ""
    return " ".join(part for part in (f"{finding.id}:", finding.what, lists, finding.fix) if part)


def as_dict(plan: MigrationPlan) -> dict[str, object]:
    """For JSON: the answer of the checks, with `excluded`, `plan` and `refusal`."""
    return {
        **plan.checked.as_dict(),
        "excluded": plan.excluded.as_dict() if plan.excluded else None,
        "plan": asdict(plan.intentions),
        "refusal": plan.refusal.as_dict() if plan.refusal else None,
    }


def _intentions(checked: Checked, options: SnapshotOptions, writers: str) -> Intentions:
    forecast = checked.forecast
    seconds = f"about {forecast.downtime_s:,.0f} s: {forecast.because}" if forecast else "not known"
    return Intentions(
        writers=writers,
        downtime=f"none; the copy takes {seconds}" if options.hold == "none" else seconds,
        target="must be empty. Schemas, tables and all else that the source holds are made there; "
        "until the end there is also a schema _changeover. An abort removes all of it",
        owners=_owners(checked, options),
        verify=VERIFICATIONS[options.verification],
    )


def _owners(checked: Checked, options: SnapshotOptions) -> str:
    if not options.keeps_owners:
        role = checked.target.user if checked.target else "the role of TARGET"
        return f"all belongs to {role}; no roles and rights are brought"
    if not checked.keeps_owners:
        return "all belongs to the role of TARGET, which may not give it to others"
    lacking = [one.name for one in checked.roles if one.is_on_target is False and not one.is_reserved]
    made = f"; made there, without passwords: {', '.join(lacking[:MOST_ROLES])}" if lacking else ""
    more = f" and {len(lacking) - MOST_ROLES} more" if len(lacking) > MOST_ROLES else ""
    return f"as on the source{made}{more}"
