"""Hosts as users write them: which are valid, and where they lead. Compared as addresses, never as text."""

from __future__ import annotations

import ipaddress
import socket

import pytest

from changeover.errors.elsewhere import AddressNotAllowed, BadAddress
from changeover.hosts.network import Reach, checked_host, checked_port
from changeover.hosts.resolving import resolve


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("db.example.com", "db.example.com"),
        ("DB.Example.COM.", "db.example.com"),
        ("my_db-1", "my_db-1"),
        ("127.evil", "127.evil"),
        ("127.0.0.1.evil.example", "127.0.0.1.evil.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("192.0.2.7", "192.0.2.7"),
        ("127.0.0.1.", "127.0.0.1"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("0xe.example.com", "0xe.example.com"),
    ],
)
def test_a_host_is_a_dns_name_or_an_ip_address(text: str, canonical: str) -> None:
    assert checked_host(text) == canonical


NO_HOSTS = (
    "", ".", "..", " ", "/run/postgresql", "./x", "../x", "@abstract", "@", "a b", "a,b", "127.0.0.1,/run", "127.1", "127.0.1",
    "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "127.0.0.0x1", "1.2.3.4.5", "256.1.1.1", "a.b.0x7f", "fe80::1%lo",
    "::1%1", "[::1]", "::g", "a..b", "-a.example", "a-.example", "a" * 64, ".".join(["a" * 60] * 5), "b\u00fccher.example",
    "\u0661\u0662\u0667.0.0.1", "\uff11\uff12\uff17.0.0.1", "\u212a.example", "a\0b", "a\nb", "a/b", "a\\b", "a%2fb",
    "a:5432", "a@b", "a?b", "a#b", "*", "a'b", "a;b", "$(id)", "|id",
)  # fmt: skip


@pytest.mark.parametrize("text", NO_HOSTS)
def test_anything_else_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadAddress) as refused:
        checked_host(text)

    assert len(text) < 3 or text not in refused.value.message


@pytest.mark.parametrize(
    "text", ["", "0", "65536", "99999999999", "-1", "+5", "5432.0", "1e3", "٣", "5432,5433", " 5432", "x"]
)
def test_a_port_is_a_number_from_1_to_65535(text: str) -> None:
    with pytest.raises(BadAddress):
        checked_port(text)


SPECIAL = (
    "169.254.169.254", "169.254.0.1", "fe80::1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1",
    "0.0.0.0", "0.1.2.3", "::",  # noqa: S104 - not bound
    "255.255.255.255", "224.0.0.1", "ff02::1", "240.0.0.1", "fd00:ec2::254",
)  # fmt: skip
LOCAL = (
    "127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1", "::127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1",
    "fc00::1", "fd12::1", "64:ff9b::a00:1", "2002:a00:1::1", "::ffff:10.0.0.1", "100.64.0.1",
)  # fmt: skip
GLOBAL = ("8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", SPECIAL)
def test_special_addresses_are_for_the_operator_only(address: str) -> None:
    parsed = ipaddress.ip_address(address)

    assert [reach.allows(parsed) for reach in Reach] == [True, False, False]


@pytest.mark.parametrize("address", LOCAL)
def test_a_setting_keeps_accounts_from_private_addresses_in_every_form(address: str) -> None:
    parsed = ipaddress.ip_address(address)

    assert [reach.allows(parsed) for reach in Reach] == [True, True, False]


@pytest.mark.parametrize("address", GLOBAL)
def test_public_addresses_are_for_all(address: str) -> None:
    assert all(reach.allows(ipaddress.ip_address(address)) for reach in Reach)


def test_a_name_is_judged_by_what_it_leads_to() -> None:
    assert "127.0.0.1" in resolve("localhost", Reach.PRIVATE)
    with pytest.raises(AddressNotAllowed, match="localhost can't be used here"):
        resolve("localhost", Reach.PUBLIC)


def test_an_unknown_name_is_no_address() -> None:
    with pytest.raises(socket.gaierror):
        resolve("nowhere.invalid", Reach.ANYWHERE)
