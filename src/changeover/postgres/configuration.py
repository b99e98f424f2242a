"""The text of PostgreSQL's three configuration files. Pure: decides, writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SUPERUSER = "changeover"
"""The role that we administer every server as. It has no password: only peer authentication lets it in."""

OURS = (f"local all {SUPERUSER} peer map={SUPERUSER}", f"local replication {SUPERUSER} peer map={SUPERUSER}")
POOLED = "local all all scram-sha-256"
"""Poolers come by the socket, whose folder only the servers' user can enter; each client with its own password."""

SettingValue = str | int | bool


def settings_file(settings: Mapping[str, SettingValue]) -> str:
    """postgresql.conf with just these settings, quoted."""
    lines = [f"{name} = {_setting(value)}" for name, value in sorted(settings.items())]
    return "# Written by changeover whenever it configures this server; edits are lost.\n" + "\n".join(lines) + "\n"


def access_file(*, listens: bool, has_tls: bool) -> str:
    """pg_hba.conf: we by peer over the socket, everybody else by SCRAM, over TLS wherever the build has it."""
    lines = list(OURS)
    if listens:
        kind = "hostssl" if has_tls else "host"
        lines += [POOLED, f"host all {SUPERUSER} all reject", f"{kind} all all all scram-sha-256"]
    return "\n".join(lines) + "\n"


def with_poolers(access: str) -> str:
    """An access file as an older version of ours wrote it, and poolers may come in by the socket; others are left alone."""
    lines = access.splitlines()
    if POOLED in lines or tuple(lines[: len(OURS)]) != OURS or len(lines) == len(OURS):
        return access
    return "\n".join([*OURS, POOLED, *lines[len(OURS) :]]) + "\n"


def identity_file(system_users: Iterable[str]) -> str:
    """pg_ident.conf: these users of the host may be our superuser over the socket."""
    return "".join(f'{SUPERUSER} "{user}" {SUPERUSER}\n' for user in sorted(set(system_users)))


def _setting(value: SettingValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
