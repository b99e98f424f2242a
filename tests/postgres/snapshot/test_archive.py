"""What an entry of the schema is: by its number, class and oid, whatever its name looks like once printed."""

from __future__ import annotations

import io
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from tests.corpus.servers import Server, installation, program, run_sql

from changeover.errors.elsewhere import TransferFailed
from changeover.postgres.location import Location
from changeover.postgres.snapshot.archive import split
from changeover.postgres.toc import CutShort, NotRead, TocEntry, read_toc


def toc(number: int, definition: str) -> TocEntry:
    return TocEntry(number, 1259, 16385, "TABLE", "public", "t", "me", definition.encode(), "", "", ())


def written(number: int, text: str) -> str:
    return (
        f"--\n-- TOC entry {number} (class 1259 OID 16385)\n-- Dependencies: 3 4\n"
        f"-- Name: t; Type: TABLE; Schema: public; Owner: me\n-- Data Pos: 0\n--\n\n{text}\n\n\n"
    )


def test_each_entry_is_told_apart_with_its_owner() -> None:
    made = "CREATE TABLE t ();"
    (entry,) = split(("SET x = 1;\n" + written(7, made)).encode(), {6: toc(6, ""), 7: toc(7, made)})
    assert (entry.number, entry.kind, entry.owner, entry.text) == (7, "TABLE", "me", made.encode())


def test_text_in_the_database_that_looks_like_an_entry_stays_text() -> None:
    trap = "COMMENT ON x IS '\n" + written(8, "DROP TABLE t;") + "';"
    made = split((written(7, trap) + written(8, "SELECT 1;")).encode(), {7: toc(7, trap), 8: toc(8, "SELECT 1;")})
    assert [(entry.number, entry.text) for entry in made] == [(7, trap.encode()), (8, b"SELECT 1;")]


def test_an_entry_that_the_archive_does_not_list_is_an_error() -> None:
    with pytest.raises(TransferFailed, match="could not be read"):
        split(written(99, "DROP TABLE t;").encode(), {7: toc(7, "")})


NAMES = ("a", "a b", "a\nb", "a.b", 'a"b', "🐘; Type: TABLE; Schema: -")


@pytest.fixture(scope="module")
def odd_names(source_server: Server) -> Location:
    made = source_server.database()
    for name in NAMES:
        quoted = '"' + name.replace('"', '""') + '"'
        run_sql(made, f"CREATE SCHEMA {quoted}", f"CREATE TABLE {quoted}.{quoted} (id int PRIMARY KEY)",
                f"COMMENT ON TABLE {quoted}.{quoted} IS 'x'")  # fmt: skip
    return made


@pytest.mark.parametrize("major", [15, 17, 18])
def test_the_table_of_contents_has_every_name_as_it_is(odd_names: Location, major: int, tmp_path: Path) -> None:
    made = program("pg_dump", "--format=custom", "--schema-only", location=odd_names, major=major)
    found = read_toc(io.BytesIO(made))
    tables = [entry for entry in found if entry.kind == "TABLE"]
    assert {(entry.schema, entry.name) for entry in tables} == {(name, name) for name in NAMES}
    assert len({entry.oid for entry in tables}) == len(NAMES)
    numbers = {entry.number for entry in tables}
    about = {entry.depends for entry in found if entry.kind == "COMMENT" and entry.name.startswith("TABLE")}
    assert about == {(number,) for number in numbers}
    assert {entry.access_method for entry in tables} == {"heap"}
    listed = _listed(made, major, tmp_path)
    assert Counter((one.number, one.class_oid, one.oid) for one in found if one.number in listed) == Counter(
        (number, *listed[number]) for number in listed
    )


def _listed(archive: bytes, major: int, folder: Path) -> dict[int, tuple[int, int]]:
    """By pg_restore."""
    (folder / "archive").write_bytes(archive)
    found = installation(major)
    assert found is not None
    command = [str(found.bin_directory / "pg_restore"), "--list", str(folder / "archive")]
    said = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    lines = [line.split(" ", 3) for line in said.splitlines() if not line.startswith(";")]
    return {int(number.rstrip(";")): (int(class_oid), int(oid)) for number, class_oid, oid, _ in lines}


def test_a_head_that_is_too_short_is_told_from_what_is_no_archive(odd_names: Location) -> None:
    made = program("pg_dump", "--format=custom", "--schema-only", location=odd_names, major=15)
    for length in (0, 4, 30, 500, 2000):
        with pytest.raises(CutShort):
            read_toc(io.BytesIO(made[:length]))
    for wrong in (b"CREATE TABLE t ();", b"PGDMP\x01\x63\x00\x04\x08\x01", made[:11] + b"\xff" * 400):
        with pytest.raises(NotRead) as refused:
            read_toc(io.BytesIO(wrong))
        assert not isinstance(refused.value, CutShort)
