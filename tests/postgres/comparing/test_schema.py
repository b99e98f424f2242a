"""Dumps cut into objects and compared as text: what is a difference, and what only versions write differently."""

from __future__ import annotations

import pytest

from changeover.postgres.comparing.comparison import Part
from changeover.postgres.comparing.dumps import Thing, things_in
from changeover.postgres.comparing.schema import compare_things
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
VIEW, TABLE = Thing("VIEW", "public", "v"), Thing("TABLE", "public", "t")


def compared(thing: Thing, source: str, target: str, majors: tuple[int, int]) -> Part:
    part = Part("schema")
    compare_things(part, {thing: source}, {thing: target}, majors=majors)
    return part


def test_a_dump_is_cut_into_its_objects_without_what_stands_between() -> None:
    assert things_in(DUMP) == {
        Thing("TABLE", "public", "a"): "-- Owner: -\nCREATE TABLE public.a (\n    id integer NOT NULL\n);",
        Thing("FUNCTION", "s", "f(integer)"): "-- Owner: me\nCREATE FUNCTION s.f(integer) RETURNS text;",
    }


def test_a_schema_is_left_out_by_its_name_and_not_as_a_pattern() -> None:
    assert exactly('a*"b') == '"a*""b"'


QUALIFIED = "SELECT t.id, sum(t.a) FROM public.t WHERE (t.a > 1)"
VIEWS = {
    "without its table": ("SELECT id, sum(a) FROM public.t WHERE (a > 1)", (15, 17), "equal"),
    "from the newer to the older": ("SELECT id, sum(a) FROM public.t WHERE (a > 1)", (17, 15), "differs"),
    "on one version": ("SELECT id, sum(a) FROM public.t WHERE (a > 1)", (15, 15), "differs"),
    "of another column": ("SELECT id, sum(b) FROM public.t WHERE (a > 1)", (15, 17), "differs"),
    "of another table": ("SELECT u.id, sum(a) FROM public.t WHERE (a > 1)", (15, 17), "differs"),
    "with more behind": ("SELECT id, sum(a) FROM public.t WHERE (a > 1) LIMIT 1", (15, 17), "differs"),
}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_view_may_lose_qualifiers_on_its_way_to_a_newer_version(kind: str) -> None:
    text, majors, result = VIEWS[kind]

    assert compared(VIEW, QUALIFIED, text, majors).result == result


def test_a_name_of_not_null_counts_only_between_versions_that_have_it() -> None:
    source, target = "(\n    a integer NOT NULL\n);", "(\n    a integer CONSTRAINT cut_off NOT NULL\n);"

    assert compared(TABLE, source, target, (17, 18)).result == "equal"
    assert compared(TABLE, source, target, (18, 18)).result == "differs"


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
