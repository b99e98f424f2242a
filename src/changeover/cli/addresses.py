"""Database addresses on the command line: a URL, `service=NAME`, `env:NAME`, or the name of one of our databases. No HTTP here.

The user's files and variables are read here, because the control plane has different ones; certificates are sent as text.
Passwords come from .pgpass, from a prompt, or, with a warning, from the URL itself.
"""

from __future__ import annotations

import configparser
import re
import sys
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from changeover.cli.terminal import is_interactive, warn
from changeover.errors import Misused
from changeover.settings import client_files, variable

SCHEMES = ("postgres://", "postgresql://")
WORD = r"(\w+)\s*=\s*('(?:\\.|[^'\\])*'|(?:\\.|[^\s'\\])*)"
"""One `name=value` of a conninfo string, parsed like libpq does."""
VARIABLE = re.compile(r"env:(?!:)")
"""Not `env::NAME`, which is a database of the app env."""
PEM = "-----BEGIN "
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


def address(text: str, what: str = "SOURCE") -> str:
    """The address for the API, with its password, or the name of one of our databases as typed.

    Raises Misused if it can't be parsed. The error doesn't repeat the text, which may contain a password.
    """
    if VARIABLE.match(text):
        return _complete(_from_variable(text.removeprefix("env:"), what), what)
    if text.startswith("service=") and " " not in text:
        return _complete(_from_service(text.removeprefix("service="), what), what)
    if text.startswith(SCHEMES):
        if urlsplit(text).password:
            warn(f"The password of {what} is visible in your shell's history and in the list of processes.\n"
                 "Put the URL into a variable and use env:NAME, or put the password into ~/.pgpass.")  # fmt: skip
        return _complete(text, what)
    return _complete(text, what) if "=" in text else text


def is_address(text: str) -> bool:
    """Whether it is an address, not the name of one of our databases."""
    return bool(VARIABLE.match(text)) or text.startswith(SCHEMES) or "=" in text


def place(complete: str, what: str) -> tuple[str, str, str]:
    """Host, port and database of an address. The database may be empty."""
    parts = _parts(complete, what)
    return parts.get("host", "localhost"), parts.get("port", "5432"), parts.get("dbname", "")


def _from_variable(name: str, what: str) -> str:
    value = variable(name)
    if not value:
        raise Misused(f"{what} is env:{name}, but this variable is not set.", fix=f"export {name}=postgres://…")
    return value


def _from_service(name: str, what: str) -> str:
    places, _ = client_files()
    for place in places:
        services = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
        services.optionxform = str  # type: ignore[assignment,method-assign]  # libpq's names have one case
        try:
            services.read(place)
        except configparser.Error as error:
            raise Misused(f"{place} can't be read as a service file.", why=str(error).splitlines()[0]) from None
        if services.has_section(name):
            return " ".join(f"{key}={_quoted(value)}" for key, value in services.items(name))
    looked = ", ".join(str(place) for place in places)
    raise Misused(f"{what} is service={name}, but there is no such service.", why=f"Looked in {looked}.")


def _complete(text: str, what: str) -> str:
    """Adds the text of its certificates, and a password from .pgpass or a prompt."""
    parts = _parts(text, what)
    extra = _certificates(parts)
    if not parts.get("password"):
        password = _from_password_file(parts) or _asked(parts, what)
        if password:
            extra["password"] = password
    return _with(text, extra) if extra else text


def _certificates(parts: dict[str, str]) -> dict[str, str]:
    """The text of certificates instead of paths. Like libpq, defaults to the user's root certificates."""
    own = Path.home() / ".postgresql" / "root.crt"
    if parts.get("sslmode", "").startswith("verify") and "sslrootcert" not in parts and own.is_file():
        parts = {**parts, "sslrootcert": str(own)}
    named = {name: parts[name] for name in FILES if parts.get(name, "system") != "system"}
    return {name: _text_of(name, value) for name, value in named.items() if not value.startswith(PEM)}


def _text_of(name: str, path: str) -> str:
    try:
        text = Path(path).expanduser().read_text()
    except (OSError, UnicodeError) as error:
        raise Misused(f"{name} can't be read.", why=f"{path}: {error}.", fix="Use a file with PEM text.") from None
    if PEM not in text:
        raise Misused(f"{name} can't be used.", why=f"{path} has no PEM text.", fix="Use a file with PEM text.")
    return text[text.index(PEM) :]


def _parts(text: str, what: str) -> dict[str, str]:
    try:
        if text.startswith(SCHEMES):
            url = urlsplit(text)
            found = {"host": url.hostname, "port": str(url.port or ""), "user": url.username, "password": url.password,
                     "dbname": url.path.lstrip("/")}  # fmt: skip
            return {k: unquote(v) for k, v in found.items() if v} | dict(parse_qsl(url.query))
        if not re.fullmatch(rf"\s*(?:{WORD}\s*)+", text):
            raise ValueError(text)  # noqa: TRY301 - one message for all, below
        return {name: re.sub(r"\\(.)", r"\1", _bare(value)) for name, value in re.findall(WORD, text)}
    except ValueError:
        raise Misused(
            f"{what} can't be parsed as a database address.",
            why="It is not repeated here, because it may contain a password.",
            fix="Write it as postgres://user@host:5432/name, with special characters percent-encoded.",
        ) from None


def _bare(value: str) -> str:
    return value[1:-1] if value.startswith("'") else value


def _from_password_file(parts: dict[str, str]) -> str | None:
    """Like libpq: the first matching line. A file that others can read is ignored."""
    _, file = client_files()
    user = parts.get("user", "postgres")
    wanted = [parts.get("host", "localhost"), parts.get("port", "5432"), parts.get("dbname", user), user]
    if not file.is_file():
        return None
    if file.stat().st_mode & 0o077:
        warn(f"{file} is ignored, because others can read it (chmod 600 {file}).")
        return None
    for line in file.read_text().splitlines():
        fields = [re.sub(r"\\(.)", r"\1", field) for field in re.findall(r"((?:\\.|[^:\\])*)(?::|$)", line)]
        fits = len(fields) >= 5 and not line.startswith("#")
        if fits and all(field in ("*", want) for field, want in zip(fields, wanted, strict=False)):
            return fields[4]
    return None


def _asked(parts: dict[str, str], what: str) -> str | None:
    """Prompts for the password. Never for a socket, or without a terminal."""
    host = parts.get("host", "")
    if host.startswith("/") or not is_interactive():
        return None
    import getpass  # noqa: PLC0415 - only prompts need it

    question = f"Password of {parts.get('user', 'postgres')} at {host or what} (Enter for none): "
    return getpass.getpass(question, stream=sys.stderr) or None


def _with(text: str, extra: dict[str, str]) -> str:
    if not text.startswith(SCHEMES):
        return " ".join([text, *(f"{name}={_quoted(value)}" for name, value in extra.items())])
    url = urlsplit(text)
    query = dict(parse_qsl(url.query)) | extra
    return urlunsplit(url._replace(query="&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())))


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
