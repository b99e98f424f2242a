"""How a person names a database: URL, service, variable, password file. What comes out is read by libpq's own parser."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from changeover.cli.addresses import address, is_address
from changeover.errors import Misused


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No password file, no service file, and nobody at the terminal."""
    for name in ("PGPASSFILE", "PGSERVICEFILE", "PGSYSCONFDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    return tmp_path


def parts(text: str) -> dict[str, str | int | None]:
    return conninfo_to_dict(address(text))


def password_file(home: Path, *lines: str, mode: int = 0o600) -> None:
    file = home / "pgpassfile"
    file.write_text("\n".join(lines) + "\n")
    file.chmod(mode)


def test_a_url_with_a_password_is_taken_with_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    assert address("postgres://u:secret@h/d") == "postgres://u:secret@h/d"
    assert "list of processes" in capsys.readouterr().err


def test_a_variable_is_read_without_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OLD_DATABASE", "postgres://u:secret@h/d")

    assert address("env:OLD_DATABASE") == "postgres://u:secret@h/d"
    assert capsys.readouterr().err == ""


def test_a_variable_that_is_not_set_is_misuse() -> None:
    with pytest.raises(Misused, match="env:NOWHERE"):
        address("env:NOWHERE")


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        ("h:5432:d:u:from-file", True),
        ("*:*:*:u:from-file", True),
        (r"h:5432:d:u:with\:colon\\and backslash", True),
        ("h:5433:d:u:from-file", False),
        ("h:5432:d:other:from-file", False),
        ("# h:5432:d:u:from-file", False),
        ("h:5432:d", False),
    ],
)
def test_the_password_file_is_read_as_libpq_reads_it(home: Path, line: str, fits: bool) -> None:
    password_file(home, "nonsense", line)

    expected = line.split(":", 4)[4].replace(r"\:", ":").replace("\\\\", "\\") if fits else None
    assert parts("postgres://u@h/d").get("password") == expected


def test_a_password_file_that_others_may_read_is_not_used(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    password_file(home, "*:*:*:*:from-file", mode=0o640)

    assert "password" not in parts("postgres://u@h/d")
    assert "chmod 600" in capsys.readouterr().err


def test_a_service_becomes_the_address_that_it_stands_for(home: Path) -> None:
    (home / "pgservicefile").write_text(
        "[old]\nhost=db.example.com\nport=6432\nuser=o'hara\ndbname=shop\npassword=a b\\c'\n"
    )

    assert parts("service=old") == {
        "host": "db.example.com", "port": "6432", "user": "o'hara", "dbname": "shop", "password": "a b\\c'",
    }  # fmt: skip


def test_a_service_that_nobody_knows_is_misuse_and_says_where_it_looked(home: Path) -> None:
    with pytest.raises(Misused) as refused:
        address("service=old")

    assert str(home / "pgservicefile") in refused.value.why


PEM = "-----BEGIN CERTIFICATE-----\nTUlJ+/=\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    "text",
    [
        "postgres://u@h/d?sslmode=verify-full&sslrootcert=./ca.pem",
        "host=h dbname=d sslrootcert=ca.pem sslmode=verify-full",
    ],
)
def test_a_certificate_is_read_here_and_sent_as_text(home: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(home)
    (home / "ca.pem").write_text(f"A comment.\n{PEM}")

    assert parts(text)["sslrootcert"] == PEM
    assert parts("host=h dbname=d sslrootcert=system")["sslrootcert"] == "system"


def test_the_users_own_authority_is_sent_where_libpq_would_take_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(home))
    (home / ".postgresql").mkdir()
    (home / ".postgresql/root.crt").write_text(PEM)

    assert parts("postgres://u@h/d?sslmode=verify-full")["sslrootcert"] == PEM
    assert "sslrootcert" not in parts("postgres://u@h/d?sslmode=require")


@pytest.mark.parametrize("content", [None, "no certificate at all"])
def test_a_certificate_that_can_not_be_read_is_misuse(home: Path, content: str | None) -> None:
    if content is not None:
        (home / "ca.pem").write_text(content)

    with pytest.raises(Misused, match="sslrootcert can't be"):
        address(f"postgres://u@h/d?sslrootcert={home / 'ca.pem'}")


def test_what_can_not_be_read_is_not_repeated() -> None:
    with pytest.raises(Misused) as refused:
        address("postgres://u:hunter2@h:port/d")

    assert "hunter2" not in refused.value.message


def test_the_name_of_one_of_ours_stays_as_it_is() -> None:
    assert address("postgresql-shaped-12345") == "postgresql-shaped-12345"


def test_a_database_of_an_app_called_env_is_no_variable() -> None:
    assert (address("env::DATABASE"), is_address("env::DATABASE"), is_address("env:DATABASE")) == (
        "env::DATABASE", False, True,
    )  # fmt: skip
