"""Messages about addresses that can't be used: which parameter, what is allowed, and how to fix it."""

from __future__ import annotations

import re

from psycopg.pq import Conninfo

from changeover.errors.elsewhere import BadAddress

SHOWN = (
    "host, port, dbname, user, password, sslmode, sslnegotiation, channel_binding, connect_timeout, application_name, "
    "sslrootcert, sslcert, sslkey and sslcrl"
)
LEAVE_OUT = "Leave it out."
HINTS = {
    "hostaddr": "Give the IP address as the host.",
    "service": "Give the full address: a service is known only on the machine that has its file.",
    "options": "Leave it out. Neon: keep the whole host name, which names the endpoint. Settings: ALTER ROLE … SET.",
    "target_session_attrs": "Leave it out, and give the address of the server that accepts writes.",
    "load_balance_hosts": "Leave it out, and give one server.",
    "gssencmode": "Leave it out: Kerberos isn't used.",
    "keepalives": "Leave it out: changeover sets its own keepalives.",
    "sslpassword": "Give a key without a passphrase: openssl pkey -in KEY -out OPEN_KEY.",
    "pgbouncer": "Leave it out: it is for Prisma. If the address is a pooler's, give the server's own address.",
    "schema": "Leave it out: it is for Prisma. Changeover always works with the whole database.",
}
HINTS |= dict.fromkeys(("keepalives_idle", "keepalives_interval", "keepalives_count"), HINTS["keepalives"])
OF_DRIVERS = frozenset({
    "pgbouncer", "schema", "connection_limit", "pool_timeout", "pool_size", "pool_max_conns", "statement_cache_size",
    "prepared_statements", "socket_timeout", "sslaccept", "sslidentity", "currentSchema", "ApplicationName", "search_path",
    "statement_timeout", "timezone", "endpoint", "supa", "workaround", "uselibpqcompat", "reconnect", "pool", "driver",
})  # fmt: skip
"""Parameters that drivers, frameworks and providers add. Messages repeat only known names: others may be secrets."""


def not_allowed(name: str) -> BadAddress:
    return BadAddress(
        f"{name} isn't allowed in an address.",
        why=f"These parameters are allowed: {SHOWN}.",
        fix=HINTS.get(name, LEAVE_OUT),
    )


def unreadable(text: str) -> BadAddress:
    """The error for an address that libpq can't parse. Names the parameter if it can't be part of a password."""
    for name in re.findall(r"[?&](\w+)=", text) if text.startswith(("postgres://", "postgresql://")) else ():
        if name in OF_DRIVERS and name.encode() not in {one.keyword for one in Conninfo.get_defaults()}:
            return not_allowed(name)
    return BadAddress(
        "Invalid database address.",
        why=f"It can't be parsed. It isn't shown because it may contain a password. An address may have {SHOWN}.",
        fix="Write it as postgres://user@host:5432/name, and percent-encode special characters.",
    )
