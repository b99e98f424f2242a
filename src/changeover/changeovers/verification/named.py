"""Differences that the report of a migration names: the copy could not bring something, and said so. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from changeover.postgres.comparing.comparison import Comparison, Difference
from changeover.postgres.excluding import Excluded
from changeover.store.changeover_rows import ChangeoverRow

MISSING: Final = "is missing on the target"
ABOUT: Final = ("acl ", "default acl ", "comment ", "schema public")
"""Made by several statements, of which the target may have refused one; schema public was there before them."""


def unnamed(found: Comparison, not_brought: Collection[str]) -> list[Difference]:
    """What differs although the copy did not report that it is not brought. All, where there is more than is shown."""
    if _is_cut(found):
        return found.differences
    members = {f"has object {title} on the source and not on the target" for title in not_brought}
    titles = {_plain(title) for title in not_brought}
    return [
        one
        for one in found.differences
        if not (_plain(one.thing) in titles and (one.says == MISSING or one.thing.startswith(ABOUT)))
        and one.says not in members
    ]


def _plain(title: str) -> str:
    """pg_dump of some versions quotes the name of what a comment is about, of others not."""
    return title.replace('"', "")


def left_out_by(migration: ChangeoverRow) -> dict[str, Any]:
    """What a comparison after it leaves out as well: keyword arguments of `Comparisons.look`."""
    skips, copied = migration.skips or {}, migration.copied or {}
    return {
        "compares_owners": False if copied.get("owners_lost") else None,
        "skip_schemas": tuple(skips.get("skip_schemas") or ()),
        "skip_extensions": tuple(skips.get("skip_extensions") or ()),
        "excluded": Excluded.of(copied.get("excluded") or {}),
    }


def with_names(found: Comparison, migration: ChangeoverRow | None) -> dict[str, Any]:
    """The comparison for JSON. What the report of the last migration between the two names is in `named`, not in `differences`.

    The result is `named` if nothing else differs. Adds `migration`, its number, and what it has `excluded`.
    """
    answer = found.as_dict() | {"named": [], "migration": None, "excluded": None}
    if migration is None:
        return answer
    copied = migration.copied or {}
    told = {note for part in _parts(migration) for note in part["notes"]}
    left = [one for one in unnamed(found, copied.get("not_brought") or ()) if str(one) not in told or _is_cut(found)]
    named = [one for one in answer["differences"] if one["text"] not in {str(one) for one in left}]
    answer |= {"named": named, "migration": migration.run_id, "excluded": copied.get("excluded")}
    answer["differences"] = [one for one in answer["differences"] if one not in named]
    if named and not left:
        answer["result"] = "unknown" if found.unknown else "named"
    return answer


def _parts(migration: ChangeoverRow) -> list[dict[str, Any]]:
    return list((migration.report.get("verification") or {}).get("parts") or ())


def _is_cut(found: Comparison) -> bool:
    """There are more differences than are listed."""
    return any(part.differences_total > len(part.differences) for part in found.parts)
