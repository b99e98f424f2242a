"""What is decided without any server: how tables are cut, which pg_dump is used, what passes for an entry of the schema."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from changeover.errors import NoInstallation
from changeover.postgres.clients import client_for, clients_for
from changeover.postgres.installations import Installation
from changeover.postgres.snapshot.contents import Table
from changeover.postgres.snapshot.holder import Holder, Moment
from changeover.postgres.snapshot.pieces import pieces_of, plan_cuts, reading, writing

GB = 1 << 30
TABLE = Table(1, "public", 'a"b', GB, GB, ("id", "x y"), 2, is_plain=True, condition=None, extension=None)


def cut(*tables: Table, version_num: int = 150000, connections: int = 2, range_bytes: int = 4 * GB) -> list[int]:
    """How many pieces each table comes in, in the order of work."""
    cuts = plan_cuts(tables, version_num=version_num, connections=connections, range_bytes=range_bytes)
    return [piece.of for piece in pieces_of(tables, cuts) if piece.first == 0]


def test_a_table_that_would_outlast_the_others_is_cut_for_all_connections() -> None:
    small = replace(TABLE, name="small", bytes=GB // 100, heap_bytes=GB // 100)
    other = replace(TABLE, name="other")
    assert cut(small, TABLE) == [4, 1]
    assert cut(small, TABLE, connections=1) == [1, 1]
    assert cut(TABLE, other) == [1, 1]
    assert cut(TABLE, version_num=130000) == [1]


def test_no_piece_is_larger_than_asked() -> None:
    assert cut(TABLE, replace(TABLE, name="other"), range_bytes=GB // 8) == [8, 8]


def test_the_pieces_of_a_table_are_all_of_it_once() -> None:
    pieces = pieces_of([TABLE], {TABLE.quoted: [0, 7, 20]})
    where = [str(reading(piece)).partition(" FROM ")[2] for piece in pieces]
    assert where == [
        """ONLY "public"."a""b" WHERE ctid >= '(0,0)'::tid AND ctid < '(7,0)'::tid""",
        """ONLY "public"."a""b" WHERE ctid >= '(7,0)'::tid AND ctid < '(20,0)'::tid""",
        """ONLY "public"."a""b" WHERE ctid >= '(20,0)'::tid""",
    ]


def test_only_what_comes_whole_is_frozen_and_only_plain_types_are_binary() -> None:
    (whole,), (first, _) = pieces_of([TABLE], {}), pieces_of([TABLE], {TABLE.quoted: [0, 7]})
    odd = pieces_of([replace(TABLE, is_plain=False)], {})[0]
    begins = 'COPY "public"."a""b" ("id", "x y") FROM STDIN WITH '
    assert [writing(piece).as_string() for piece in (whole, first, odd)] == [
        f"{begins}(FORMAT binary, FREEZE)",
        f"{begins}(FORMAT binary)",
        f"{begins}(FORMAT text, FREEZE)",
    ]


def installed(major: int, *, has_tls: bool = True) -> Installation:
    tools = frozenset({"pg_dump", "pg_restore", "psql"})
    nothing: frozenset[str] = frozenset()
    return Installation(Path(f"/pg/{major}"), "system", (major, 1), has_tls, True, nothing, tools, nothing, nothing)


@pytest.mark.parametrize(
    ("source", "target", "there", "chosen"),
    [(15, 17, (14, 15, 16, 17, 18), 17), (15, 17, (15, 16, 18), 16), (15, 17, (18,), 18), (15, 15, (15, 17), 15),
     (17, 15, (15, 17, 18), 17), (12, 12, (14, 18), 14)],
)  # fmt: skip
def test_the_dump_is_never_older_than_its_server_and_as_near_to_the_target_as_can_be(
    source: int, target: int, there: tuple[int, ...], chosen: int
) -> None:
    found = clients_for(source * 10000, target * 10000, map(installed, there))
    assert (found.dump, found.restore) == (Path(f"/pg/{chosen}/pg_dump"), Path(f"/pg/{chosen}/pg_restore"))


def test_without_a_fitting_one_the_error_says_which_to_install() -> None:
    with pytest.raises(NoInstallation, match="No pg_dump for PostgreSQL 17 was found") as missing:
        client_for(170002, "pg_dump", [installed(15), installed(18, has_tls=False)], needs_tls=True)
    assert "postgresql-17" in missing.value.fix


def test_a_snapshot_of_the_same_name_after_a_restart_of_the_server_is_another_one() -> None:
    no_session: Any = None

    def held(transactions: str, *, is_durable: bool = True) -> Holder:
        moment = Moment("7713", "00000001", transactions, is_quiet=True, is_durable=is_durable)
        return Holder(no_session, "00000003-00000002-1", moment, asyncio.Lock())

    noted = {"snapshot": held("728:728:").moment.as_facts(), "holder": {"snapshot": "00000003-00000002-1"}}
    assert held("728:728:", is_durable=False).is_noted(noted)
    assert not held("731:731:").is_noted(noted)
    assert not held("728:728:").is_noted(noted | {"holder": {"snapshot": "00000003-00000009-1"}})
    assert not held("728:728:").is_noted({})
