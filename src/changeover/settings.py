"""The only module that reads the environment.

A plain dataclass, because the CLI reads it at every start, and importing a settings library takes longer than most commands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from changeover.errors import BadSetting


@dataclass(frozen=True)
class Settings:
    """Settings from the environment. Each field documents its variable; docs/operations.md lists them."""

    home: Path
    """CHANGEOVER_HOME: the data directory. As root /var/lib/changeover, else ~/.local/share/changeover."""
    url: str | None
    """CHANGEOVER_URL: the control plane for the CLI. None: the one that runs in `home`."""
    api_key: str | None
    """CHANGEOVER_API_KEY: the CLI's token; None: HOME/operator-token."""
    app: str | None
    """CHANGEOVER_APP or HEROKU_APP: the app of commands without --app."""
    team: str | None
    """CHANGEOVER_TEAM or HEROKU_TEAM: the team of commands without --team."""
    state_url: str | None
    """CHANGEOVER_DATABASE_URL: a PostgreSQL for our own state. None: we run a small one."""
    installations: tuple[Path, ...]
    """CHANGEOVER_POSTGRES: further PostgreSQL installations, folders with a bin/ below, separated by ':'."""
    pgbouncer: Path | None
    """CHANGEOVER_PGBOUNCER: the PgBouncer program. None: the system's."""
    host_name: str
    """CHANGEOVER_HOST: this host's name in the queue `host:NAME`."""
    operator_email: str
    """CHANGEOVER_OPERATOR_EMAIL: the owner account's address."""
    bucket: str | None
    """CHANGEOVER_BUCKET: where backups go, s3://BUCKET/PREFIX or file:///FOLDER; None: HOME/backups."""
    bucket_endpoint: str | None
    """AWS_ENDPOINT_URL: the S3 endpoint of the bucket if it is not Amazon's."""
    max_databases: int
    """CHANGEOVER_MAX_DATABASES: the maximum number of servers on this host."""
    has_spares: bool
    """CHANGEOVER_SPARE_SERVERS: whether a data directory is kept ready for the next server (1 or 0)."""
    frozen_after_s: int
    """CHANGEOVER_FROZEN_AFTER: seconds without progress until one of our processes is replaced."""
    boot_timeout_s: int
    """CHANGEOVER_BOOT_TIMEOUT: seconds within which a web dyno must listen."""
    trusted_proxies: tuple[str, ...]
    """CHANGEOVER_TRUSTED_PROXIES: addresses and networks of proxies in front of the router and the API, separated by ','."""
    deploy_packed_bytes: int
    """CHANGEOVER_DEPLOY_PACKED_BYTES: the maximum size of a deploy's archive."""
    deploy_unpacked_bytes: int
    """CHANGEOVER_DEPLOY_UNPACKED_BYTES: its maximum size when unpacked."""
    max_connections: int
    """CHANGEOVER_MAX_CONNECTIONS: the control plane's maximum number of HTTP connections."""
    max_connections_per_client: int
    """CHANGEOVER_MAX_CONNECTIONS_PER_CLIENT: the maximum number from one address."""
    foreign_addresses: str
    """CHANGEOVER_FOREIGN_ADDRESSES: which addresses accounts may use: `private` (private and public ones) or `public`."""

    audit_days: int
    """CHANGEOVER_AUDIT_DAYS: days for which events of the audit trail are kept."""

    @classmethod
    def read(cls) -> Settings:
        """From the environment of this process. Raises BadSetting for an invalid value."""
        env = os.environ
        default_home = Path("/var/lib/changeover") if os.geteuid() == 0 else Path.home() / ".local/share/changeover"
        return cls(
            home=Path(env.get("CHANGEOVER_HOME") or default_home).absolute(),
            url=env.get("CHANGEOVER_URL") or None,
            api_key=env.get("CHANGEOVER_API_KEY") or None,
            app=env.get("HEROKU_APP") or env.get("CHANGEOVER_APP") or None,
            team=env.get("CHANGEOVER_TEAM") or env.get("HEROKU_TEAM") or None,
            state_url=env.get("CHANGEOVER_DATABASE_URL") or None,
            installations=tuple(Path(p) for p in env.get("CHANGEOVER_POSTGRES", "").split(":") if p),
            pgbouncer=Path(env["CHANGEOVER_PGBOUNCER"]) if env.get("CHANGEOVER_PGBOUNCER") else None,
            host_name=env.get("CHANGEOVER_HOST") or "local",
            operator_email=env.get("CHANGEOVER_OPERATOR_EMAIL") or "operator@changeover.local",
            bucket=env.get("CHANGEOVER_BUCKET") or None,
            bucket_endpoint=env.get("AWS_ENDPOINT_URL_S3")
            or env.get("AWS_ENDPOINT_URL")
            or env.get("AWS_ENDPOINT")
            or None,
            max_databases=_whole("CHANGEOVER_MAX_DATABASES", env.get("CHANGEOVER_MAX_DATABASES") or "100"),
            audit_days=_number(env, "CHANGEOVER_AUDIT_DAYS", 365),
            has_spares=_one_of("CHANGEOVER_SPARE_SERVERS", env, ("1", "0")) == "1",
            frozen_after_s=_whole("CHANGEOVER_FROZEN_AFTER", env.get("CHANGEOVER_FROZEN_AFTER") or "60"),
            boot_timeout_s=_number(env, "CHANGEOVER_BOOT_TIMEOUT", 60),
            trusted_proxies=_networks(env, "CHANGEOVER_TRUSTED_PROXIES"),
            deploy_packed_bytes=_number(env, "CHANGEOVER_DEPLOY_PACKED_BYTES", 500_000_000),
            deploy_unpacked_bytes=_number(env, "CHANGEOVER_DEPLOY_UNPACKED_BYTES", 500_000_000),
            max_connections=_whole("CHANGEOVER_MAX_CONNECTIONS", env.get("CHANGEOVER_MAX_CONNECTIONS") or "512"),
            max_connections_per_client=_whole(
                "CHANGEOVER_MAX_CONNECTIONS_PER_CLIENT", env.get("CHANGEOVER_MAX_CONNECTIONS_PER_CLIENT") or "256"
            ),
            foreign_addresses=_one_of("CHANGEOVER_FOREIGN_ADDRESSES", env, ("private", "public")),
        )


def variable(name: str) -> str | None:
    """A variable that the user chose on the command line: `env:NAME`."""
    return os.environ.get(name) or None


def client_files() -> tuple[list[Path], Path]:
    """The service files of libpq in order, and the password file: from libpq's variables, or else in the home directory."""
    folder = Path(os.environ.get("PGSYSCONFDIR") or "/etc/postgresql-common")
    own = Path(os.environ.get("PGSERVICEFILE") or Path.home() / ".pg_service.conf")
    return [own, folder / "pg_service.conf"], Path(os.environ.get("PGPASSFILE") or Path.home() / ".pgpass")


def _networks(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    """In the format of `ipaddress`. A single address is a network of one."""
    if not env.get(name):
        return ()
    import ipaddress  # noqa: PLC0415 - the CLI starts without it

    words = [word for word in env[name].replace(",", " ").split() if word]
    try:
        return tuple(str(ipaddress.ip_network(word, strict=False)) for word in words)
    except ValueError as error:
        raise BadSetting(name, env[name], wants=f"addresses or networks such as 10.0.0.0/8 ({error})") from None


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    return _whole(name, env.get(name) or str(default))


def _one_of(name: str, env: Mapping[str, str], choices: tuple[str, ...]) -> str:
    """The first choice is the default."""
    value = env.get(name) or choices[0]
    if value not in choices:
        raise BadSetting(name, value, wants=" or ".join(choices))
    return value


def _whole(name: str, text: str) -> int:
    if not text.isascii() or not text.isdecimal() or len(text) > 15 or int(text) < 1:
        raise BadSetting(name, text, wants="a whole number of at least 1")
    return int(text)
