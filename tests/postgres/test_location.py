"""The address of a foreign database: built from an allow list, whatever libpq knows besides."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

from changeover.engines.local import CertificateAuthority
from changeover.errors import ChangeoverError, Forbidden
from changeover.errors.elsewhere import BadAddress
from changeover.hosts.network import Reach
from changeover.postgres.location import ALLOWED, MARK, Location, SocketLocation, handed_over

PLACE = {"host": "db.example.com", "port": "5432", "dbname": "shop", "user": "u", "password": "s3cret"}
REFUSED = sorted({one.keyword.decode() for one in Conninfo.get_defaults()} - set(ALLOWED))
"""From libpq itself, so that what a newer one learns is refused here without a change of ours."""


def as_conninfo(**given: str) -> str:
    return make_conninfo("", **PLACE, **given)


def as_url(**given: str) -> str:
    return "postgres://u:s3cret@db.example.com:5432/shop?" + "&".join(
        f"{k}={quote(v, safe='')}" for k, v in given.items()
    )


def test_libpq_knows_more_than_we_allow() -> None:
    assert {"sslkeylogfile", "sslcrldir", "hostaddr", "service", "passfile", "options", "requirepeer"} <= set(REFUSED)


@pytest.mark.parametrize("write", [as_conninfo, as_url])
@pytest.mark.parametrize("reach", Reach)
@pytest.mark.parametrize("name", REFUSED)
def test_a_parameter_that_is_not_on_the_list_is_refused_by_name(name: str, reach: Reach, write: object) -> None:
    assert callable(write)
    for value in ("/tmp/x", "1", "x"):
        with pytest.raises(BadAddress) as refused:
            Location.parse(write(**{name: value}), reach=reach)
        assert name in refused.value.what
        assert "s3cret" not in refused.value.message


@pytest.mark.parametrize("name", REFUSED)
def test_an_empty_value_is_refused_too(name: str) -> None:
    with pytest.raises(BadAddress):
        Location.parse(as_url(**{name: ""}))


@pytest.mark.parametrize("name", ["pgbouncer", "schema", "connection_limit", "sslaccept"])
def test_what_drivers_add_is_refused_by_name_with_what_to_do(name: str) -> None:
    with pytest.raises(BadAddress) as refused:
        Location.parse(as_url(sslmode="require", **{name: "true"}))

    assert refused.value.what.startswith(f"{name} isn't allowed")
    assert refused.value.fix


def test_a_name_that_nobody_knows_is_not_repeated_because_it_may_be_part_of_a_password() -> None:
    with pytest.raises(BadAddress) as refused:
        Location.parse("postgres://db.example.com/shop?half_a_password=x")

    assert "half_a_password" not in refused.value.message


WRONG = {
    "a socket": "host=/run/postgresql dbname=d", "a socket in a URL": "postgres://u@%2Frun%2Fx/d",
    "a socket as parameter": "postgres:///d?host=/run/x", "a second host": "postgres://u@a/d?host=/run/x",
    "an abstract socket": "host=@pg dbname=d", "two hosts": "postgres://u@a,b/d", "an empty host": "host='' dbname=d",
    "no host": "dbname=d", "an empty URL": "postgres://", "only a path": "postgres:///d", "a list with a socket": "host=a,/run",
    "a port out of range": "postgres://u@a:65536/d", "a port of 0": "host=a port=0", "ports": "host=a port=1,2",
    "NUL": "host=a dbname='a\0b'", "NUL in a URL": "postgres://u@a/d%00", "a lone surrogate": "host=a dbname='\ud800'",
    "a line break": "host=a dbname='a\nb'", "a service": "service=x", "a file": "file:///etc/passwd", "https": "https://a/b",
    "nothing": "", "half a quote": "host='a", "a word": "host", "an odd mode": "postgres://u@a/d?sslmode=none",
    "a timeout": "host=a connect_timeout=-1", "a time": "host=a connect_timeout=99999", "only a key": "host=a sslkey=system",
    "nothing to verify by": "host=a sslmode=verify-full", "a weak system": "host=a sslrootcert=system sslmode=require",
    "no certificate": "host=a sslrootcert='-----BEGIN X'", "a huge name": "host=a dbname=" + "x" * 5000,
    "an engine": "host=a sslcert=system sslkey=system", "an IPv6 zone": "postgres://u@[fe80::1%25lo]/d",
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.parametrize("reach", Reach)
def test_what_is_no_address_of_a_server_on_the_network_is_refused(kind: str, reach: Reach) -> None:
    with pytest.raises(ChangeoverError) as refused:
        Location.parse(WRONG[kind], reach=reach)

    assert refused.value.status == 422


@pytest.mark.parametrize(
    "name", ["host=/run/x dbname=postgres", "postgres://evil@127.0.0.1/x?host=/run", "a'b \\c", "ä=1"]
)
def test_a_name_that_looks_like_an_address_stays_a_name(name: str) -> None:
    for text in (make_conninfo("", host="a", dbname=name, user="u"), f"postgres://u@a/{quote(name, safe='')}"):
        location = Location.parse(text)
        assert (location.host, location.database) == ("a", name)
        assert Location.kept(location.url, reach=Reach.PRIVATE).database == name


def test_only_the_operator_names_files(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path).ensure()
    text = as_url(sslmode="verify-full", sslrootcert=str(authority))

    for reach in (Reach.PRIVATE, Reach.PUBLIC):
        with pytest.raises(Forbidden):
            Location.parse(text, reach=reach)
    location = Location.parse(text, reach=Reach.ANYWHERE)

    assert location.parameters["sslrootcert"] == authority.read_text()
    assert location.files == {"sslrootcert": str(authority)}


@pytest.mark.parametrize("path", ["/etc/passwd", "/dev/zero", "/nonexistent", "/", "ca.pem", ""])
def test_a_file_that_is_no_certificate_is_refused_even_to_the_operator(path: str) -> None:
    with pytest.raises(BadAddress) as refused:
        Location.parse(as_url(sslrootcert=path), reach=Reach.ANYWHERE)

    assert "root:" not in refused.value.message


def test_certificates_are_text_and_survive_being_kept(tmp_path: Path) -> None:
    text = CertificateAuthority(tmp_path).ensure().read_text()

    location = Location.parse(as_url(sslmode="verify-full", sslrootcert=text))

    assert Location.kept(location.url, reach=Reach.PRIVATE) == location
    assert text not in str(location) + repr(location)


def test_where_an_address_may_lead_is_kept_with_it_and_no_user_can_say_it() -> None:
    operators = Location.parse(as_url(), reach=Reach.ANYWHERE)

    assert Location.kept(operators.url, reach=Reach.PUBLIC).reach is Reach.ANYWHERE
    assert Location.kept(Location.parse(as_url()).url, reach=Reach.PUBLIC).reach is Reach.PUBLIC
    assert handed_over(Location.parse(as_url(), reach=Reach.PUBLIC).url).reach is Reach.PUBLIC
    with pytest.raises(BadAddress, match=MARK):
        Location.parse(operators.url)


def test_what_an_older_version_kept_is_checked_again(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path).ensure()
    ours = as_url(sslmode="verify-full", sslrootcert=str(authority))

    assert Location.kept(ours, reach=Reach.PUBLIC, authority=authority).reach is Reach.ANYWHERE
    for bad in ("host=/run/x dbname=d", as_url(sslkeylogfile="/tmp/x"), as_url(sslrootcert="/etc/passwd")):
        with pytest.raises(ChangeoverError):
            Location.kept(bad, reach=Reach.PRIVATE, authority=authority)


def test_a_socket_is_a_type_of_its_own_that_no_text_of_a_user_becomes() -> None:
    with pytest.raises(BadAddress):
        Location({**PLACE, "host": "/run/x"})
    with pytest.raises(BadAddress):
        Location.parse(SocketLocation({**PLACE, "host": "/run/x"}).url)
    with pytest.raises(BadAddress):
        Location(PLACE).with_(host="/run/x")
