"""The text of the configuration files."""

from __future__ import annotations

import pytest

from changeover.postgres.acting import Actor
from changeover.postgres.configuration import access_file, fenced_access_file, identity_file, renewed, settings_file
from changeover.postgres.wal import position_number, position_text, sample_windows


def test_settings_are_quoted() -> None:
    text = settings_file({"ssl": True, "port": 5432, "name": "it's \\ there"})
    assert text.splitlines()[1:] == ["name = 'it''s \\\\ there'", "port = 5432", "ssl = on"]


@pytest.mark.parametrize(
    ("listens", "has_tls", "kinds"),
    [
        (False, True, ["local"]),
        (True, True, [*["local"] * 4, "host", "host", "hostssl"]),
        (True, False, [*["local"] * 4, "host", "host", "host"]),
    ],
)
def test_only_peers_and_passwords_come_in(listens: bool, has_tls: bool, kinds: list[str]) -> None:
    lines = access_file(listens=listens, has_tls=has_tls).splitlines()
    assert [line.split()[0] for line in lines] == kinds
    assert "trust" not in " ".join(lines)


PEERS = "local all changeover peer map=changeover\nlocal replication changeover peer map=changeover\n"
NO_TCP = "host all changeover all reject\n"
CLIENTS = "hostssl all all all scram-sha-256\n"
REFUSED = "local all all reject\nhost all all all reject\n"
OLDER_FILES = {
    "before poolers": (PEERS + NO_TCP + CLIENTS, access_file(listens=True, has_tls=True)),
    "before roles for followers": (
        PEERS + "local all all scram-sha-256\n" + NO_TCP + CLIENTS,
        access_file(listens=True, has_tls=True),
    ),
    "of the state": (PEERS, access_file(listens=False, has_tls=True)),
}


@pytest.mark.parametrize("kind", OLDER_FILES)
def test_the_access_file_of_an_older_version_becomes_that_of_this_one(kind: str) -> None:
    older, wanted = OLDER_FILES[kind]
    assert (renewed(older), renewed(wanted)) == (wanted, wanted)


def test_an_older_fence_lets_followers_through_and_nobody_else() -> None:
    mark = "# fenced by changeover 7:1"
    assert renewed(f"{mark}\n{PEERS}{REFUSED}") == fenced_access_file(mark) == renewed(fenced_access_file(mark))


def test_one_system_user_is_the_superuser() -> None:
    assert identity_file("ann") == 'changeover "ann" changeover\n'


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
