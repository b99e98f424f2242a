"""Addresses in answers lead to where the caller reached us, and not where somebody else says."""

from __future__ import annotations

import httpx2
import pytest
from tests.fix_control_plane import ControlPlane
from tests.fix_things import Things

from changeover.api.addresses import is_in


def address(api: httpx2.Client, app: str, headers: dict[str, str]) -> str:
    url: str = api.post(f"/apps/{app}/log-sessions", json={}, headers=headers).json()["logplex_url"]
    return url


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "127.0.0.1/x", "a b"]
)
def test_a_forwarded_host_of_a_stranger_is_ignored(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, host: str
) -> None:
    headers = {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https"}

    assert address(api, things.app(), headers).startswith(control_plane.url)


def test_a_forwarder_on_the_callers_machine_is_believed(api: httpx2.Client, things: Things) -> None:
    headers = {"X-Forwarded-Host": "127.0.0.1:5001", "X-Forwarded-Proto": "http"}

    assert address(api, things.app(), headers).startswith("http://127.0.0.1:5001/")


@pytest.mark.parametrize("host", ["evil.example/x?", "a@b", "x y", "[::1", "a:b"])
def test_a_malformed_host_never_gets_into_an_address(
    control_plane: ControlPlane, api: httpx2.Client, things: Things, host: str
) -> None:
    assert address(api, things.app(), {"Host": host}).startswith(control_plane.url)


def test_networks_contain_addresses_and_no_names() -> None:
    assert is_in("10.1.2.3", ["192.0.2.0/24", "10.0.0.0/8"])
    assert not is_in("11.1.2.3", ["10.0.0.0/8"])
    assert not is_in("10.1.2.3.evil.example", ["10.0.0.0/8"])
    assert not is_in("::1", ["10.0.0.0/8"])
