"""The HTTP client: pages, warnings, silence, and what is never sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.plane import TOKEN, Plane, Reply, Turns

from changeover.client import Client, Endpoint, poll, segment
from changeover.errors import BadSetting, NoAnswer, NotRunning, Reported, Unauthorized
from changeover.settings import Settings


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def client(plane: Plane, warnings: list[str]) -> Iterator[Client]:
    client = Client(Endpoint(plane.url, TOKEN), on_warning=warnings.append, timeout_s=5)
    yield client
    client.close()


def test_all_pages_of_a_list_become_one(client: Client, plane: Plane) -> None:
    plane.answers["GET /apps"] = Turns([Reply([1, 2], 206, {"Next-Range": "id ]2..; max=2"}), Reply([3])])

    assert client.get("/apps") == [1, 2, 3]
    assert plane.asked[1].headers["range"] == "id ]2..; max=2"


def test_a_list_asked_for_in_an_order_is_one_page(client: Client, plane: Plane) -> None:
    plane.answers["GET /releases"] = Reply([9], 206, {"Next-Range": "version ..8"})

    assert client.get("/releases", order="version ..; max=1, order=desc") == [9]


def test_a_warning_is_shown_once(client: Client, plane: Plane, warnings: list[str]) -> None:
    plane.answers["GET /a"] = plane.answers["GET /b"] = Reply(
        [], headers={"X-Heroku-Warning": "Warning: Mind the gap."}
    )
    client.get("/a")
    client.get("/b")

    assert warnings == ["Mind the gap."]


def test_an_error_without_a_body_still_has_an_id(client: Client, plane: Plane) -> None:
    plane.answers["GET /x"] = Reply(None, 404)
    with pytest.raises(Reported) as refusal:
        client.get("/x")

    assert refusal.value.id == "not_found"


def test_a_wrong_token_is_told_from_other_failures(client: Client, plane: Plane) -> None:
    plane.answers["GET /account"] = Reply(None, 401)
    with pytest.raises(Unauthorized):
        client.get("/account")


def test_a_read_that_was_dropped_is_repeated(client: Client, plane: Plane) -> None:
    plane.answers["GET /a"] = Turns([Reply(drops=True), Reply({"b": 1})])

    assert client.get("/a") == {"b": 1}


def test_a_write_that_was_dropped_is_never_repeated_and_its_effect_called_unknown(client: Client, plane: Plane) -> None:
    plane.answers["POST /a"] = Reply(drops=True)
    with pytest.raises(NoAnswer, match=f"{plane.url} did not answer POST /a.") as silence:
        client.post("/a", {})

    assert "unknown" in silence.value.why
    assert len(plane.asked) == 1


def test_a_closed_port_means_not_running(plane: Plane) -> None:
    with pytest.raises(NotRunning, match="not reachable"):
        Client(Endpoint("http://127.0.0.1:1", TOKEN), on_warning=print).get("/apps")


@pytest.mark.parametrize("url", ["http://192.0.2.1:5000", "ftp://127.0.0.1", "127.0.0.1:5000"])
def test_a_token_never_leaves_this_host_in_the_open(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("CHANGEOVER_URL", url)
    with pytest.raises(BadSetting):
        Endpoint.find(Settings.read())


def test_a_running_server_is_found_by_what_it_left_in_its_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text('{"url": "http://127.0.0.1:5001", "pid": 1}')
    (tmp_path / "operator-token").write_text("secret\n")
    monkeypatch.setenv("CHANGEOVER_HOME", str(tmp_path))

    assert Endpoint.find(Settings.read()) == Endpoint("http://127.0.0.1:5001", "secret")


def test_polling_bears_a_short_silence_but_not_a_long_one() -> None:
    answers: Iterator[int | NotRunning] = iter([1, NotRunning("gone"), 2, NotRunning("gone"), NotRunning("gone")])

    def fetch() -> int:
        answer = next(answers)
        if isinstance(answer, NotRunning):
            time.sleep(0.06)
            raise answer
        return answer

    found = poll(fetch, every_s=0, patience_s=0.1)
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(NotRunning):
        next(found)


def test_a_name_from_a_person_is_one_part_of_a_path() -> None:
    assert segment("a/../b?c") == "a%2F..%2Fb%3Fc"


ENDS = "GET /changeover/v1/runs/ends?after="


def test_a_pause_ends_when_a_run_has_ended(client: Client, plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    plane.answers[ENDS + "0&within_ms=3600000"] = {"mark": "1"}  # news: what is waited for may have happened before it
    plane.answers[ENDS + "1&within_ms=3600000"] = Turns([{"mark": "1"}, {"mark": "2"}])
    client.pause(3600)
    client.pause(3600)

    assert [one.path.partition("after=")[2][0] for one in plane.asked] == ["0", "1", "1"]


def test_a_pause_where_nobody_tells_of_ends_is_a_pause(client: Client, plane: Plane) -> None:
    client.pause(0.01)

    assert len(plane.asked) == 1
