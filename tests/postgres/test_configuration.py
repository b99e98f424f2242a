"""The text of the configuration files."""

from __future__ import annotations

import pytest

from changeover.postgres.acting import Actor
from changeover.postgres.configuration import access_file, identity_file, settings_file, with_poolers
from changeover.postgres.wal import position_number, position_text, sample_windows


def test_settings_are_quoted() -> None:
    text = settings_file({"ssl": True, "port": 5432, "name": "it's \\ there"})
    assert text.splitlines()[1:] == ["name = 'it''s \\\\ there'", "port = 5432", "ssl = on"]


@pytest.mark.parametrize(
    ("listens", "has_tls", "kinds"),
    [
        (False, True, ["local", "local"]),
        (True, True, ["local", "local", "local", "host", "hostssl"]),
        (True, False, ["local", "local", "local", "host", "host"]),
    ],
)
def test_only_peers_and_passwords_come_in(listens: bool, has_tls: bool, kinds: list[str]) -> None:
    lines = access_file(listens=listens, has_tls=has_tls).splitlines()
    assert [line.split()[0] for line in lines] == kinds
    assert "trust" not in " ".join(lines)


def test_an_older_access_file_lets_poolers_in_once() -> None:
    wanted = access_file(listens=True, has_tls=True)
    older = wanted.replace("local all all scram-sha-256\n", "")
    assert (with_poolers(older), with_poolers(wanted)) == (wanted, wanted)


@pytest.mark.parametrize(
    "text", [access_file(listens=False, has_tls=False), "# fenced by changeover 7\nlocal all all reject\n"]
)
def test_no_other_access_file_lets_poolers_in(text: str) -> None:
    assert with_poolers(text) == text


def test_each_system_user_is_mapped_once() -> None:
    assert identity_file(["root", "ann", "root"]) == 'changeover "ann" changeover\nchangeover "root" changeover\n'


def test_positions_survive_the_way_there_and_back() -> None:
    assert position_number("1/0") == 2**32
    assert position_text(position_number("16/B374D848")) == "16/B374D848"


def test_windows_are_spread_evenly_and_never_overlap() -> None:
    windows = list(sample_windows(1000, 101_000, count=10, size=1000))
    assert len(windows) == 10
    assert all(stop - start == 1000 for start, stop in windows)
    assert [start for start, _ in windows] == [5500 + 10_000 * i for i in range(10)]


@pytest.mark.parametrize("text", ["", "12", "12:x", "a b:1", ":1"])
def test_an_actor_has_a_run_and_an_epoch(text: str) -> None:
    with pytest.raises(ValueError, match="RUN:EPOCH"):
        Actor.named(text)
    assert Actor.named("r-1:20") == Actor("r-1", 20)
