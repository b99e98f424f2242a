"""Archives of deploys: damaged, oversized and hostile ones are refused, and intact ones come out byte by byte."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from changeover.errors import ArchiveTooLarge, BadArchive
from changeover.platform.unpacking import ArchiveLimits, unpack

NOISE = random.Random(1).randbytes(5000)  # noqa: S311 - not a secret
LIMITS = ArchiveLimits(10_000_000, 2_000_000)
Fill = Callable[[tarfile.TarFile], None]


def tar(fill: Fill, *, form: int = tarfile.PAX_FORMAT) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:", format=form) as archive:
        fill(archive)
    return raw.getvalue()


def put(archive: tarfile.TarFile, name: str, content: bytes = b"", **more: object) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in more.items():
        setattr(entry, key, value)
    archive.addfile(entry, io.BytesIO(content))


def honest(archive: tarfile.TarFile) -> None:
    put(archive, "Procfile", b"web: python app.py\n")
    put(archive, "bin/run", b"#!/bin/sh\n", mode=0o6755)
    put(archive, "long/" + "n" * 150, NOISE)
    put(archive, "link", type=tarfile.SYMTYPE, linkname="bin/run")
    put(archive, "same", type=tarfile.LNKTYPE, linkname="bin/run")


def unpacked(packed: bytes, tmp_path: Path, limits: ArchiveLimits = LIMITS) -> Path:
    (tmp_path / "archive").write_bytes(packed)
    folder = tmp_path / "code"
    unpack(tmp_path / "archive", folder, limits, threading.Event())
    return folder


def test_an_intact_archive_comes_out_byte_by_byte(tmp_path: Path) -> None:
    folder = unpacked(gzip.compress(tar(honest)), tmp_path)

    assert (folder / "Procfile").read_bytes() == b"web: python app.py\n"
    assert (folder / "long" / ("n" * 150)).read_bytes() == NOISE
    assert (folder / "link").read_bytes() == (folder / "same").read_bytes() == b"#!/bin/sh\n"


def test_special_mode_bits_are_not_taken_over(tmp_path: Path) -> None:
    folder = unpacked(gzip.compress(tar(honest)), tmp_path)

    assert (folder / "bin/run").stat().st_mode & 0o7777 == 0o755
    assert (folder / "Procfile").stat().st_mode & 0o7777 == 0o644


def test_any_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    packed, random_ = gzip.compress(tar(honest), mtime=0), random.Random(9)  # noqa: S311 - not a secret
    expected = contents(unpacked(packed, tmp_path))
    for number in range(200):
        damaged = bytearray(packed)
        damaged[random_.randrange(len(damaged))] ^= 1 << random_.randrange(8)
        (place := tmp_path / str(number)).mkdir()
        try:
            folder = unpacked(bytes(damaged), place)
        except BadArchive:
            continue
        assert contents(folder) == expected


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("keep", [0, 1, 9, 18, 200, -9, -8, -1])
def test_a_truncated_gzip_stream_is_refused(tmp_path: Path, keep: int) -> None:
    with pytest.raises(BadArchive):
        unpacked(gzip.compress(tar(honest))[:keep], tmp_path)


@pytest.mark.parametrize("garbage", [b"x", b"\x1f\x8b", bytes(10) + b"x", gzip.compress(tar(honest))])
def test_something_after_the_end_is_refused(tmp_path: Path, garbage: bytes) -> None:
    with pytest.raises(BadArchive):
        unpacked(gzip.compress(tar(honest)) + garbage, tmp_path)


def test_several_gzip_members_are_one_stream_and_each_is_checked(tmp_path: Path) -> None:
    raw = tar(honest)
    first, second = gzip.compress(raw[:3000]), bytearray(gzip.compress(raw[3000:]))

    assert (unpacked(first + second, tmp_path) / "Procfile").exists()
    second[-6] ^= 1
    (tmp_path / "again").mkdir()
    with pytest.raises(BadArchive, match="unpacked"):
        unpacked(first + second, tmp_path / "again")


@pytest.mark.parametrize("at", [0, 100, 148, 1024, 1024 + 100, 1024 + 156])
def test_a_damaged_tar_header_is_refused(tmp_path: Path, at: int) -> None:
    damaged = bytearray(tar(honest))
    damaged[at] ^= 4

    with pytest.raises(BadArchive):
        unpacked(gzip.compress(bytes(damaged)), tmp_path)


@pytest.mark.parametrize("end", [700, 1024, 5000])
def test_a_tar_without_its_end_is_refused(tmp_path: Path, end: int) -> None:
    with pytest.raises(BadArchive):
        unpacked(gzip.compress(tar(honest)[:end]), tmp_path)


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Fill:
    return lambda archive: put(archive, name, type=kind, linkname=target)


def both(*fills: Fill) -> Fill:
    def fill(archive: tarfile.TarFile) -> None:
        for one in fills:
            one(archive)

    return fill


def file(name: str) -> Fill:
    return lambda archive: put(archive, name, b"x")


HOSTILE = {
    "an absolute path": file("/tmp/x"),
    "a path upwards": file("a/../../x"),
    "an absolute link": link("a", "/etc/passwd"),
    "a link upwards": link("a", "../x"),
    "links that lead out together": both(link("b", "."), link("a", "b/b/b/../../../etc")),
    "a file through a link": both(link("a", "b"), file("b/x"), file("a/y")),
    "a file over a link": both(link("a", "b"), file("a")),
    "a file over a file": both(file("a"), file("./a")),
    "a file over a folder": both(file("a/b"), file("a")),
    "a folder over a file": both(file("a"), file("a/b")),
    "a hard link to nothing": link("a", "b", tarfile.LNKTYPE),
    "a hard link to the host": link("a", "/etc/passwd", tarfile.LNKTYPE),
    "a hard link to a link": both(link("b", "c"), link("a", "b", tarfile.LNKTYPE)),
    "a device": lambda archive: put(archive, "a", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a pipe": lambda archive: put(archive, "a", type=tarfile.FIFOTYPE),
    "a path too long": file("/".join(["n" * 100] * 11)),
    "a name too long": file("n" * 300),
    "a path too deep": file("d/" * 70 + "x"),
    "a zero byte": lambda archive: put(archive, "a", pax_headers={"path": "a\0b"}),
    "a sparse file": lambda archive: put(
        archive, "a", b"1\n0\n1\n" + bytes(506) + b"x",
        pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1" + "0" * 15},
    ),
    "a header as large as a file": lambda archive: put(archive, "a", pax_headers={"comment": "x" * 1_500_000}),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_member_is_refused_and_nothing_is_written_outside(tmp_path: Path, what: str) -> None:
    with pytest.raises(BadArchive):
        unpacked(gzip.compress(tar(both(file("Procfile"), HOSTILE[what]))), tmp_path)

    assert {path.name for path in tmp_path.iterdir()} <= {"archive", "code"}


def test_a_chain_of_headers_is_refused(tmp_path: Path) -> None:
    one = tar(lambda archive: put(archive, "a", pax_headers={"comment": "x"}))[:1024]

    with pytest.raises(BadArchive):
        unpacked(gzip.compress(one * 1500 + tar(honest)), tmp_path)


def test_a_small_archive_that_unpacks_to_much_is_refused_with_flat_memory(tmp_path: Path) -> None:
    bomb = gzip.compress(tar(lambda archive: put(archive, "a", bytes(50_000_000))))
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveTooLarge, match="too large"):
            unpacked(bomb, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()

    assert sum(path.stat().st_size for path in (tmp_path / "code").iterdir()) <= LIMITS.unpacked_bytes


def test_zeros_after_the_end_count_as_well(tmp_path: Path) -> None:
    with pytest.raises(ArchiveTooLarge):
        unpacked(gzip.compress(tar(honest) + bytes(3_000_000)), tmp_path)


def test_too_many_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("changeover.platform.unpacking.MOST_FILES", 20)

    with pytest.raises(ArchiveTooLarge, match="too large"):
        unpacked(gzip.compress(tar(both(*(file(f"f{number}") for number in range(40))))), tmp_path)


def test_unpacking_ends_when_its_time_is_up_or_the_deploy_was_given_up(tmp_path: Path) -> None:
    packed, given_up = gzip.compress(tar(honest)), threading.Event()
    given_up.set()

    with pytest.raises(ArchiveTooLarge):
        unpacked(packed, tmp_path, ArchiveLimits(10_000_000, 2_000_000, unpack_s=-1))
    with pytest.raises(BadArchive):
        unpack(tmp_path / "archive", tmp_path / "more", LIMITS, given_up)
