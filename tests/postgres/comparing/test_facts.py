"""When owners are compared, and what a difference between facts says. Pure."""

from __future__ import annotations

import pytest

from changeover.postgres.comparing.comparison import Part
from changeover.postgres.comparing.dumps import Thing
from changeover.postgres.comparing.facts import Fact, compare_facts, compare_relation_facts
from changeover.postgres.comparing.ownership import Ownership, why_not_comparable
from changeover.postgres.comparing.schema import compare_things

KNOWN = frozenset({"app", "other", "admin"})
MINE = Ownership("app", frozenset({"app"}), KNOWN)
OWNERSHIPS = {
    "the same roles": (MINE, ""),
    "the database given away": (Ownership("other", frozenset({"app"}), KNOWN), ""),
    "everything given away": (Ownership("app", frozenset({"other"}), KNOWN), ""),
    "copied without owners": (
        Ownership("other", frozenset({"other"}), KNOWN),
        "belongs to app on the source and other on",
    ),
    "on a server without the role": (Ownership("admin", frozenset({"admin"}), frozenset({"admin"})), "has no role app"),
}


@pytest.mark.parametrize("kind", OWNERSHIPS)
def test_owners_are_compared_unless_everything_belongs_to_other_roles(kind: str) -> None:
    target, why = OWNERSHIPS[kind]

    found = why_not_comparable(MINE, target)

    assert (why in found) if why else not found


def test_a_property_that_does_not_decide_is_a_note() -> None:
    part = Part("database")
    here, there = ({("database", "connection limit"): Fact(value, False)} for value in ("3", "-1"))

    compare_facts(part, here, there, decides=False)

    assert part.result == "equal"
    assert part.notes == ["database differs in its connection limit: 3 on the source, -1 on the target"]


def test_a_secret_value_is_not_told() -> None:
    part = Part("database")
    here, there = ({("database", "setting app.key"): Fact(value, True)} for value in ("one", "two"))

    compare_facts(part, here, there)

    assert [str(one) for one in part.differences] == ["database differs in its setting app.key"]


def test_an_index_that_was_rebuilt_is_no_difference_and_one_that_broke_is() -> None:
    healed, broken = Part("schema"), Part("schema")
    invalid = {("index public.i", "validity"): Fact("not valid", False)}

    compare_relation_facts(healed, invalid, {}, decides=True)
    compare_relation_facts(broken, {}, invalid, decides=True)

    assert (healed.result, broken.result) == ("equal", "differs")


def test_rights_on_an_object_of_an_extension_are_a_note() -> None:
    part, thing = Part("schema"), Thing("ACL", "public", "FUNCTION reset()")

    compare_things(part, {thing: "GRANT ALL TO a"}, {thing: "GRANT ALL TO b"}, majors=(15, 15), members=[thing])

    assert part.result == "equal"
    assert len(part.notes) == 1
