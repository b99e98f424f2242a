"""Everything in the corpus, moved from major to major by the snapshot method: equal for `compare`, and equal as dumps."""

from __future__ import annotations

import pytest
from tests.corpus.fix_servers import Servers
from tests.corpus.independent import what_differs
from tests.corpus.loading import EVERYWHERE, has_xml, load
from tests.corpus.moving import by_snapshot
from tests.corpus.servers import run_sql

from changeover.postgres.comparing import Comparison, compare


def named(found: Comparison) -> list[str]:
    return [str(one) for one in (*found.differences, *found.unknown)]


SLOW = pytest.mark.long
PAIRS = [
    (15, 17),
    (17, 18),
    pytest.param(15, 15, marks=SLOW),
    pytest.param(15, 18, marks=SLOW),
    pytest.param(17, 17, marks=SLOW),
    pytest.param(18, 18, marks=SLOW),
    *(pytest.param(older, newer, marks=SLOW) for older in (12, 13, 14, 16) for newer in (17, 18)),
]


@pytest.mark.parametrize(("older", "newer"), PAIRS)
async def test_the_corpus_arrives_as_it_was(servers: Servers, older: int, newer: int) -> None:
    source, target = servers.pair(older, newer)
    databases = source.database(), target.database()
    xml = ["xml"] if has_xml(source) and has_xml(target) else []
    load(databases[0], *EVERYWHERE, *xml)

    await by_snapshot(*databases)

    assert named(await compare(*databases, compares_owners=True)) == []
    reader = databases[1].with_(user="corpus_reader", password="reader")
    assert run_sql(reader, "SELECT id, open FROM rights.owned") == [(1, "o")]
    assert what_differs((source, target), databases) == []
    source.drop(databases[0])
    target.drop(databases[1])


def test_the_independent_look_sees_rows_rights_sequences_and_objects(servers: Servers) -> None:
    source, target = servers.pair(15, 17)
    databases = source.database(), target.database()
    for one in databases:
        run_sql(one, "CREATE TABLE t (id serial)", "INSERT INTO t VALUES (1)", "SELECT lo_from_bytea(7, 'x')")
    assert what_differs((source, target), databases) == []

    run_sql(databases[1], "UPDATE t SET id = 2", "GRANT SELECT ON t TO PUBLIC", "SELECT setval('t_id_seq', 9)")
    run_sql(databases[1], "SELECT lo_put(7, 0, 'y')", "CREATE INDEX ON t (id)")
    found = what_differs((source, target), databases)

    for kind in (
        "rows of ('public', 't')",
        "sequence ('public', 't_id_seq')",
        "rights ('r public.t'",
        "object ('7'",
        "CREATE INDEX",
    ):
        assert [line for line in found if line.startswith(f"> {kind}")], kind
    source.drop(databases[0])
    target.drop(databases[1])


@pytest.mark.long
async def test_a_hundred_thousand_large_objects_arrive(servers: Servers) -> None:
    """Each with its number and its bytes."""
    source, target = servers.pair(15, 17)
    databases = source.database(), target.database()
    run_sql(databases[0], "SELECT lo_from_bytea(0, convert_to(g::text, 'UTF8')) FROM generate_series(1, 100000) g")

    await by_snapshot(*databases)
    found, differing = await compare(*databases), what_differs((source, target), databases)
    run_sql(
        databases[1], "SELECT lo_put(oid, 0, 'x') FROM (SELECT max(oid) AS oid FROM pg_largeobject_metadata) AS last"
    )
    changed = await compare(*databases)

    assert (named(found), differing) == ([], [])
    assert next(part.compared for part in found.parts if part.name == "large objects") == 100000
    assert [one.says for one in changed.differences] == ["has different content within its first 6 bytes"]
    source.drop(databases[0])
    target.drop(databases[1])


ENCODINGS = [("sql_ascii", "SQL_ASCII", "SQL_ASCII"), ("latin1", "LATIN1", "UTF8"), ("latin1", "LATIN1", "LATIN1")]


@pytest.mark.parametrize(("name", "here", "there"), ENCODINGS)
async def test_encodings_arrive(servers: Servers, name: str, here: str, there: str) -> None:
    """Bytes without an encoding stay as they are, letters stay letters."""
    source, target = servers.pair(15, 17)
    databases = source.database(encoding=here), target.database(encoding=there)
    load(databases[0], f"encoding_{name}")

    await by_snapshot(*databases)

    assert named(await compare(*databases)) == []
    if here != "SQL_ASCII":  # psycopg reads no text there
        differing = what_differs((source, target), databases)
        assert [line for line in differing if not line[2:].startswith("CREATE DATABASE")] == []
    source.drop(databases[0])
    target.drop(databases[1])
