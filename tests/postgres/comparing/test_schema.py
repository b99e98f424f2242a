"""Dumps cut into objects and compared as text: what is a difference, and what only versions write differently."""

from __future__ import annotations

import pytest

from changeover.postgres.comparing.comparison import Part
from changeover.postgres.comparing.dumps import Thing, entries_in, things_in
from changeover.postgres.comparing.rereading import ReadAgain
from changeover.postgres.comparing.schema import Doubt, compare_things, judge_again
from changeover.postgres.comparing.sequences import Sequence, judge
from changeover.postgres.running import exactly

DUMP = r"""--
-- PostgreSQL database dump
--

\restrict abc
SET statement_timeout = 0;

--
-- Name: a; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.a (
    id integer NOT NULL
);


SET default_table_access_method = heap;

--
-- Name: f(integer); Type: FUNCTION; Schema: s; Owner: me
--

CREATE FUNCTION s.f(integer) RETURNS text;


--
-- PostgreSQL database dump complete
--

\unrestrict abc
"""
TABLE = Thing("TABLE", "public", "t")


def test_a_dump_is_cut_into_its_objects_without_what_stands_between() -> None:
    assert things_in(entries_in(DUMP)) == {
        Thing("TABLE", "public", "a"): "-- Owner: -\nCREATE TABLE public.a (\n    id integer NOT NULL\n);",
        Thing("FUNCTION", "s", "f(integer)"): "-- Owner: me\nCREATE FUNCTION s.f(integer) RETURNS text;",
    }


def test_a_schema_is_left_out_by_its_name_and_not_as_a_pattern() -> None:
    assert exactly('a*"b') == '"a*""b"'


@pytest.mark.parametrize(("majors", "is_doubtful"), [((17, 18), False), ((18, 18), True)])
def test_a_name_of_not_null_counts_only_between_versions_that_have_it(
    majors: tuple[int, int], is_doubtful: bool
) -> None:
    source, target = "(\n    a integer NOT NULL\n);", "(\n    a integer CONSTRAINT cut_off NOT NULL\n);"

    doubts = compare_things(Part("schema"), {TABLE: source}, {TABLE: target}, majors=majors)

    assert [one.thing for one in doubts] == [TABLE] * is_doubtful


LOST = "REVOKE DELETE,INSERT,REFERENCES,SELECT,TRIGGER,TRUNCATE,UPDATE ON TABLE t FROM app;"
KEPT = "REVOKE ALL ON TABLE t FROM app;\nGRANT MAINTAIN ON TABLE t TO app;"
ALIKE = '-- Owner: app\nGRANT INSERT ON TABLE "t\n" TO PUBLIC;'
"""Of another table, whose name pg_dump prints like that of `t `: it stands before the other's rights."""


@pytest.mark.parametrize(
    ("here", "there", "majors", "differs"),
    [
        (LOST, KEPT, (15, 17), False),
        (LOST.replace("app", '"line\nbreak"'), KEPT.replace("app", '"line\nbreak"'), (15, 17), False),
        (
            f"{LOST}\nGRANT SELECT ON TABLE t TO app;",
            f"{KEPT[:31]}\nGRANT MAINTAIN,SELECT ON TABLE t TO app;",
            (15, 18),
            False,
        ),
        (f"{ALIKE}\n-- Owner: app\n{LOST}", f"{ALIKE}\n-- Owner: app\n{KEPT}", (15, 17), False),
        (f"{ALIKE}\n-- Owner: app\n{LOST}", f"-- Owner: app\n{KEPT}", (15, 17), True),
        (LOST, f"{KEPT}\nGRANT MAINTAIN ON TABLE t TO other;", (15, 17), True),
        (LOST, f"{KEPT}\nGRANT SELECT ON TABLE t TO app;", (15, 17), True),
        (LOST, KEPT, (17, 18), True),
    ],
)
def test_an_owner_has_maintain_as_a_right_of_its_own_only_since_17(
    here: str, there: str, majors: tuple[int, int], differs: bool
) -> None:
    rights = Thing("ACL", "public", "TABLE t")

    doubts = compare_things(Part("schema"), {rights: here}, {rights: there}, majors=majors)

    assert [one.thing for one in doubts] == [rights] * differs


def test_options_that_may_hold_a_password_are_never_shown() -> None:
    part, thing = Part("schema"), Thing("USER MAPPING", "-", "USER MAPPING me SERVER far")

    judge_again(
        part,
        Doubt(thing, "OPTIONS (password 'one')", "OPTIONS (password 'two')"),
        ReadAgain({thing: "OPTIONS (password 'one')"}, {thing: "OPTIONS (password 'two')"}, {}),
        majors=(15, 15),
    )

    assert part.result == "differs"
    assert "password" not in str(part.differences[0])


def test_what_can_not_be_read_again_is_unknown() -> None:
    part = Part("schema")

    judge_again(part, Doubt(TABLE, "a", "b"), ReadAgain({}, {}, {TABLE: "no type geometry"}), majors=(15, 15))

    assert part.result == "unknown"
    assert "no type geometry" in str(part.unknown[0])


NEXT = {
    "the same": (Sequence(1, False, 5, True), "equal"),
    "the same, not called": (Sequence(1, False, 6, False), "equal"),
    "ahead": (Sequence(1, False, 38, True), "equal"),
    "behind": (Sequence(1, False, 4, True), "differs"),
}


@pytest.mark.parametrize("place", NEXT)
def test_a_sequence_may_be_ahead_and_never_behind(place: str) -> None:
    target, result = NEXT[place]
    part = Part("sequences")

    judge(part, "sequence s", Sequence(1, False, 5, True), target)

    assert part.result == result
