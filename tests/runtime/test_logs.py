"""Lines of logs: kept, bounded, cleaned, found again and followed."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from tests.runtime.fix_dynos import Home

from changeover.runtime.dynos.log_store import LogStore
from changeover.runtime.runtime import LogLine

FORMAT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00 app\[web\.1\]: hello")


@pytest.fixture
def store(tmp_path: Path) -> LogStore:
    """With small segments: 5 of 10 kB."""
    return LogStore(tmp_path, segment_bytes=10_000)


def texts(lines: list[LogLine]) -> list[str]:
    return [line.text.partition("]: ")[2] for line in lines]


async def following(store: LogStore, count: int, after_id: str | None = None, **wanted: str) -> list[LogLine]:
    found: list[LogLine] = []
    async with asyncio.timeout(5):
        async for line in store.follow("shop", after_id, **wanted):
            found.append(line)
            if len(found) == count:
                break
    return found


def test_a_line_has_the_usual_format(store: LogStore) -> None:
    store.append("shop", "app", "web.1", "hello")

    assert FORMAT.fullmatch(store.last("shop", 1)[0].text)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("two\nlines\r\n", ["two", "lines"]),
        ("zero\0byte", ["zerobyte"]),
        ("\x1b[31mred\x1b[0m", ["\x1b[31mred\x1b[0m"]),
        ("\x1b]0;title\x07 and \x1b[2J\x9b2J", ["]0;title and [2J2J"]),
        ("progress 1\rprogress 2", ["progress 1progress 2"]),
        ("tab\tgrün 🐘", ["tab\tgrün 🐘"]),
        ("", [""]),
        ("x" * 25_000, ["x" * 10_000, "x" * 10_000, "x" * 5_000]),
        ("half \udc80", ["half ?"]),
    ],
)
def test_text_becomes_lines_that_can_be_shown_anywhere(store: LogStore, text: str, lines: list[str]) -> None:
    store.append("shop", "app", "web.1", text)

    assert texts(store.last("shop", 10)) == lines


def test_only_the_newest_are_kept(store: LogStore, tmp_path: Path) -> None:
    for number in range(2000):
        store.append("shop", "app", "web.1", f"{number}")

    kept = texts(store.last("shop", 10_000))
    assert kept == [str(number) for number in range(2000 - len(kept), 2000)]
    assert 40_000 < sum(path.stat().st_size for path in tmp_path.rglob("*")) < 60_000
    assert texts(store.last("shop", 3)) == ["1997", "1998", "1999"]


@pytest.mark.parametrize(
    ("source", "dyno", "wanted"),
    [
        (None, None, ["a", "b", "c", "d", "e"]),
        ("app", None, ["a", "b"]),
        ("heroku", None, ["c", "d", "e"]),
        ("router", None, ["d"]),
        (None, "web.1", ["a", "c"]),
        (None, "web", ["a", "b", "c"]),
        ("app", "web.12", ["b"]),
        ("app", "worker", []),
    ],
)
async def test_lines_can_be_chosen(store: LogStore, source: str | None, dyno: str | None, wanted: list[str]) -> None:
    written = [("app", "web.1"), ("app", "web.12"), ("heroku", "web.1"), ("router", ""), ("heroku", "api")]
    for (from_source, from_dyno), text in zip(written, "abcde", strict=True):
        store.append("shop", from_source, from_dyno, text)

    assert texts(store.last("shop", 10, source=source, dyno=dyno)) == wanted
    assert texts(store.last("shop", 1, source=source, dyno=dyno)) == wanted[-1:]


async def test_who_follows_gets_every_line_across_segments_and_reconnects(store: LogStore) -> None:
    async def write() -> None:
        for number in range(600):
            store.append("shop", "app", "web.1", f"{number}")
            if number % 50 == 0:
                await asyncio.sleep(0.02)

    store.append("shop", "app", "web.1", "before")
    start = store.last("shop", 1)[0].id
    writing = asyncio.create_task(write())
    first = await following(store, 100, start)
    rest = await following(store, 500, first[-1].id)
    await writing

    assert texts(first + rest) == [str(number) for number in range(600)]


async def test_without_an_id_following_begins_now(store: LogStore) -> None:
    store.append("shop", "app", "web.1", "before")
    coming = asyncio.create_task(following(store, 1))
    await asyncio.sleep(0.1)
    store.append("shop", "app", "web.1", "after")

    assert texts(await coming) == ["after"]


async def test_who_was_away_for_too_long_goes_on_with_the_oldest_that_is_left(store: LogStore) -> None:
    store.append("shop", "app", "web.1", "first")
    start = store.last("shop", 1)[0].id
    for number in range(2000):
        store.append("shop", "app", "web.1", f"{number}")

    oldest = store.last("shop", 10_000)[0]
    assert (await following(store, 1, start))[0] == oldest


async def test_an_app_that_was_forgotten_begins_anew_for_who_follows(store: LogStore) -> None:
    for number in range(1000):
        store.append("shop", "app", "web.1", f"{number}")
    start = store.last("shop", 1)[0].id
    store.forget("shop")
    store.append("shop", "app", "web.1", "new")

    assert texts(await following(store, 1, start)) == ["new"]


def test_nothing_is_known_of_an_app_that_said_nothing(store: LogStore) -> None:
    assert store.last("shop", 10) == []
    with pytest.raises(ValueError, match="not the key of an app"):
        store.append("../shop", "app", "web.1", "text")


async def test_a_flood_is_dropped_and_told_and_does_not_hold_the_dyno_up(home: Home) -> None:
    """100 MB: in lines, and as one line without an end."""
    flood = (
        "import sys; [sys.stdout.write('x' * 99 + chr(10)) for _ in range(500_000)]; sys.stdout.write('y' * 50_000_000)"
    )
    await home.dynos.run_once(home.dyno("run.1", home.script(flood) + "; echo"))
    await home.until_said("complete")

    assert sum(path.stat().st_size for path in home.places.app_logs.rglob("*")) < 11_000_000
    told = [line for line in home.said() if line.startswith("Error L10 (output buffer overflow): ")]
    assert told
    dropped = sum(int(line.split()[5]) for line in told)
    assert dropped > 400_000


async def test_a_flood_of_one_dyno_does_not_cost_others_lines(home: Home) -> None:
    flood = "timeout 60 yes flood; exec sleep 600"  # ends by itself when this test is killed
    quiet = "for i in $(seq 100); do echo $i; done; echo last one; exec sleep 600"
    home.dynos.logs.append(home.app, "heroku", "quiet.1", "before")
    [before] = home.dynos.logs.last(home.app, 1)
    await home.dynos.apply(home.app, [home.dyno("flood.1", flood), home.dyno("quiet.1", quiet)])

    said: list[LogLine] = []
    async with asyncio.timeout(30):
        async for line in home.dynos.logs.follow(home.app, before.id, source="app", dyno="quiet.1"):
            said.append(line)
            if "last one" in line.text:
                break

    assert texts(said) == [*map(str, range(1, 101)), "last one"]
