"""Every kind of object is compared: a difference in any catalog is found, and nothing else is reported."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.corpus.servers import Server, programs_of, run_sql, running
from tests.postgres.comparing.planted import CONSEQUENCES, FURNISHED, NOT_COMPARED, PLANTED

from changeover.postgres.comparing import Comparison, compare, comparison
from changeover.postgres.location import Location

CATALOGS = """
SELECT relname::text FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind = 'r' AND oid < 16384
"""


@pytest.fixture(scope="module")
def databases() -> Iterator[tuple[Location, Location]]:
    """On a server each, because roles are shared by all databases of one."""
    programs = programs_of(15)
    assert programs is not None
    with running(programs) as source, running(programs) as target:
        both = furnished(source), furnished(target)
        yield both


def furnished(server: Server) -> Location:
    location = server.location("shop")
    run_sql(server.location(), "CREATE DATABASE shop TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING 'UTF8'")
    run_sql(location, *FURNISHED.split(";\n"))
    return location


@pytest.fixture(scope="module")
def found(databases: tuple[Location, Location]) -> tuple[Comparison, Comparison]:
    """Before and after every difference was planted in the target."""
    before = asyncio.run(compare(*databases))
    for plants in PLANTED.values():
        for statement in plants:
            run_sql(databases[1], *statement.replace(":here", "shop").split("; "))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "SHOWN", 1000)
        return before, asyncio.run(compare(*databases))


def named(found: Comparison) -> list[str]:
    return [str(one) for one in (*found.differences, *found.unknown)]


def test_every_catalog_is_compared_or_has_a_reason_not_to_be(databases: tuple[Location, Location]) -> None:
    catalogs = {name for (name,) in run_sql(databases[0], CATALOGS)}

    assert catalogs - PLANTED.keys() - NOT_COMPARED.keys() == set()


def test_two_databases_that_were_made_alike_are_equal(found: tuple[Comparison, Comparison]) -> None:
    assert named(found[0]) == []
    notes = [note for part in found[0].parts for note in part.notes]
    assert notes == ["foreign table public.distant was not read: its rows are elsewhere"]


def test_a_difference_in_any_catalog_is_found(found: tuple[Comparison, Comparison]) -> None:
    things = {one.thing for one in found[1].differences}
    missed = {catalog: sorted(set(plants.values()) - things) for catalog, plants in PLANTED.items()}

    assert {catalog: titles for catalog, titles in missed.items() if titles} == {}
    assert found[1].unknown == []


def test_nothing_but_the_planted_is_reported(found: tuple[Comparison, Comparison]) -> None:
    planted = CONSEQUENCES.union(*(plants.values() for plants in PLANTED.values()))

    assert [str(one) for one in found[1].differences if one.thing not in planted] == []


def test_no_secret_is_shown(found: tuple[Comparison, Comparison]) -> None:
    assert "secret word" not in str(found[1].as_dict())
