"""Connects asyncpg to a location: checked addresses, TLS as libpq does it, and nothing from the environment."""

from __future__ import annotations

import ssl
from typing import Any

import asyncpg

from changeover.postgres.certificates import SYSTEM, system_bundle
from changeover.postgres.libpq import NOWHERE, addresses_of, told
from changeover.postgres.location import Location, SocketLocation

CONNECT_S = 20


class _ForHost(ssl.SSLContext):
    """Verifies the given host name, while the connection goes to a checked IP address."""

    host: str

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        return super().wrap_bio(*given, **named | {"server_hostname": self.host})


async def connect_reader(location: Location, name: str) -> Any:
    """An asyncpg connection. Raises AddressNotAllowed, OSError, TimeoutError, and what asyncpg raises."""
    mode = location.parameters.get("sslmode", "prefer")
    if isinstance(location, SocketLocation) or mode in ("disable", "allow"):
        return await _connect(location, name, tls=False)
    try:
        return await _connect(location, name, tls=_context(location, mode))
    except ConnectionError as refused:
        if mode != "prefer" or "rejected SSL" not in str(refused):
            raise
    return await _connect(location, name, tls=False)


async def _connect(location: Location, name: str, *, tls: ssl.SSLContext | bool) -> Any:
    addresses = await addresses_of(location) or [location.host]
    return await asyncpg.connect(
        host=addresses, port=[location.port] * len(addresses), user=location.user, database=location.database,
        password=location.password or "", passfile=NOWHERE, ssl=tls, timeout=CONNECT_S,
        direct_tls=bool(tls) and location.parameters.get("sslnegotiation") == "direct",
        target_session_attrs="any", server_settings={"application_name": name},
    )  # fmt: skip


def _context(location: Location, mode: str) -> ssl.SSLContext:
    """Like libpq: verifies the certificate if an authority is given, and the host name only with verify-full."""
    context = _ForHost(ssl.PROTOCOL_TLS_CLIENT)
    context.host = location.host
    context.check_hostname = mode == "verify-full"
    given = location.certificates
    authority, revoked = given.get("sslrootcert"), given.get("sslcrl")
    if authority is None or mode == "prefer":
        context.verify_mode = ssl.CERT_NONE
    elif authority == SYSTEM:
        context.load_verify_locations(cafile=system_bundle())
    else:
        context.load_verify_locations(cadata=authority)
    with told(location, ()) as wanted:
        if "sslcert" in given:
            context.load_cert_chain(wanted.parameters["sslcert"], wanted.parameters["sslkey"])
        if revoked is not None and context.verify_mode == ssl.CERT_REQUIRED:
            context.load_verify_locations(cafile=wanted.parameters["sslcrl"])
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context
