"""The text of PostgreSQL's three configuration files. Pure: decides, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SUPERUSER = "changeover"
"""The role that we administer every server as. It has no password: only peer authentication lets it in."""

SettingValue = str | int | bool


def settings_file(settings: Mapping[str, SettingValue]) -> str:
    """postgresql.conf with just these settings, quoted."""
    lines = [f"{name} = {_setting(value)}" for name, value in sorted(settings.items())]
    return "# Written by changeover whenever it configures this server; edits are lost.\n" + "\n".join(lines) + "\n"


def access_file(*, listens: bool, has_tls: bool) -> str:
    """pg_hba.conf: we by peer over the socket, everybody else by SCRAM, over TLS wherever the build has it."""
    lines = [
        f"local all {SUPERUSER} peer map={SUPERUSER}",
        f"local replication {SUPERUSER} peer map={SUPERUSER}",
    ]
    if listens:
        kind = "hostssl" if has_tls else "host"
        lines += [f"host all {SUPERUSER} all reject", f"{kind} all all all scram-sha-256"]
    return "\n".join(lines) + "\n"


def identity_file(system_users: Iterable[str]) -> str:
    """pg_ident.conf: these users of the host may be our superuser over the socket."""
    return "".join(f'{SUPERUSER} "{user}" {SUPERUSER}\n' for user in sorted(set(system_users)))


def _setting(value: SettingValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
