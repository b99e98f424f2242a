"""The text of PostgreSQL's three configuration files. Pure: writes nothing."""

from __future__ import annotations

from collections.abc import Mapping

SUPERUSER = "changeover"
"""The role that changeover administers servers as. It has no password: only peer authentication lets it in."""

FOLLOWERS = "changeover_followers"
"""The group of the roles that followers replicate as. Each has its own password and REPLICATION, nothing else."""
OURS = f"local all {SUPERUSER} peer map={SUPERUSER}"
LED = (f"local replication +{FOLLOWERS} scram-sha-256", f"local all +{FOLLOWERS} reject")
"""Followers replicate over the socket. They can't log in to any database."""
POOLED = "local all all scram-sha-256"
"""Poolers connect over the socket, whose folder only the servers' user can enter. Each client has its own password."""
NEVER_BY_TCP = (f"host all {SUPERUSER} all reject", f"host all +{FOLLOWERS} all reject")
FORMERLY = f"local replication {SUPERUSER} peer map={SUPERUSER}"
"""How followers logged in before they had their own roles."""

SettingValue = str | int | bool


def settings_file(settings: Mapping[str, SettingValue]) -> str:
    """postgresql.conf with exactly these settings, quoted."""
    lines = [f"{name} = {_setting(value)}" for name, value in sorted(settings.items())]
    return "# Written by changeover whenever it configures this server; edits are lost.\n" + "\n".join(lines) + "\n"


def access_file(*, listens: bool, has_tls: bool) -> str:
    """pg_hba.conf: changeover by peer over the socket, followers and poolers by SCRAM over the socket, everybody else
    over TLS if the build supports it."""
    lines = [OURS]
    if listens:
        kind = "hostssl" if has_tls else "host"
        lines += [*LED, POOLED, *NEVER_BY_TCP, f"{kind} all all all scram-sha-256"]
    return "\n".join(lines) + "\n"


def fenced_access_file(mark: str) -> str:
    """pg_hba.conf of a fenced server: only changeover and its followers. `mark` is its first line."""
    return "\n".join([mark, OURS, *LED, "local all all reject", "host all all all reject"]) + "\n"


def renewed(access: str) -> str:
    """Upgrade an access file that an older version wrote. Any other text is returned unchanged."""
    lines = access.splitlines()
    if FORMERLY in lines:
        at = lines.index(FORMERLY)
        listens = len(lines) > 2
        lines[at : at + 1] = LED if listens else ()
    if lines[: 1 + len(LED)] == [OURS, *LED] and POOLED not in lines:
        lines.insert(1 + len(LED), POOLED)
    by_tcp, for_followers = NEVER_BY_TCP
    if by_tcp in lines and for_followers not in lines:
        lines.insert(lines.index(by_tcp) + 1, for_followers)
    return "\n".join(lines) + "\n"


def identity_file(system_user: str) -> str:
    """pg_ident.conf: only this system user may log in as our superuser over the socket."""
    return f'{SUPERUSER} "{system_user}" {SUPERUSER}\n'


def _setting(value: SettingValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
