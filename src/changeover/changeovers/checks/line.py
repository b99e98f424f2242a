"""Checks of the network: names, TLS, round trips, clocks, and the client programs of this machine."""

from __future__ import annotations

import asyncio
import socket
import statistics
import time
from datetime import UTC, datetime, timedelta

from changeover.changeovers.checks.certificate import server_certificate
from changeover.changeovers.checks.finding import Answer, Answers, check, failed, named, passed, unknown, warning
from changeover.changeovers.checks.look import Line, Look
from changeover.changeovers.checks.side import Side
from changeover.errors import NoInstallation
from changeover.hosts.network import ip_address, is_private
from changeover.loopback import is_loopback
from changeover.postgres.clients import clients_for, needs_tls
from changeover.postgres.connect import Connection, fetch_row
from changeover.postgres.location import SocketLocation
from changeover.quantities import in_bytes

ROUNDS = 11
SLOW_MS, MOST_OFFSET_S = 100, 5
SOON = timedelta(days=14)
BLOCK, RUNS = 8192, (128, 2048)
"""The measurement sends rows of 8 kB: first 1 MB, then 16 MB if that was fast. Faster than any target is fast enough."""
ENOUGH_S = 0.25
_STREAM = "COPY (SELECT repeat('0123456789abcdef', 512) FROM (SELECT generate_series(1, {})) rows) TO STDOUT"


async def measure(connection: Connection) -> Line:
    """Measures round trips, the clock's offset and the speed at which the server sends."""
    trips, offsets = [], []
    for _ in range(ROUNDS):
        began = time.monotonic()
        (now,) = await fetch_row(connection, "SELECT clock_timestamp()")
        took = time.monotonic() - began
        trips.append(took * 1000)
        offsets.append((now - datetime.now(UTC)).total_seconds() + took / 2)
    rate = None
    for blocks in RUNS:
        seconds = await _stream(connection, blocks)
        rate = blocks * BLOCK / seconds
        if seconds > ENOUGH_S:
            break
    return Line(tuple(sorted(trips)), rate, statistics.median(offsets))


async def _stream(connection: Connection, blocks: int) -> float:
    began = time.monotonic()
    async with connection.cursor().copy(_STREAM.format(blocks).encode()) as copy:
        async for _ in copy:
            pass
    return max(time.monotonic() - began, 1e-6)


@check("N1", "Each name has one address", "line")
async def names(look: Look) -> Answers:
    for side in look.sides:
        host = side.location.host
        if isinstance(side.location, SocketLocation) or ip_address(host) is not None:
            continue
        for kind, addresses in (await resolved(host)).items():
            if len(addresses) > 1:
                yield warning(
                    f"The {side.name}'s name {host} has {len(addresses)} {kind} addresses: {named(addresses)}.",
                    "If they are different servers, the sessions of one move may reach different ones.",
                    "Use the address of one server.",
                )


async def resolved(host: str) -> dict[str, list[str]]:
    """A name's addresses by kind, IPv4 and IPv6. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    kinds = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
    return {kind: sorted({str(one[4][0]) for one in found if one[0] == family}) for kind, family in kinds.items()}


@check("N2", "Both sides accept the login", "line")
async def answers(look: Look) -> Answers:
    yield passed(
        f"{' and '.join(f'the {side.name}' for side in look.sides)} accept the login from this machine.".capitalize()
    )


@check("N3", "The network is fast enough", "line")
async def speed(look: Look) -> Answers:
    for side in look.sides:
        line = look.lines.get(side.name)
        if line is None or line.bytes_per_s is None:
            yield unknown(f"The network to the {side.name} was not measured.", "The measurement failed.")
            continue
        p50, p99 = statistics.median(line.round_trips_ms), line.round_trips_ms[-1]
        says = f"The {side.name} is {p50:.1f} ms away (at most {p99:.1f}) and sends {in_bytes(line.bytes_per_s)} per second."
        if p50 > SLOW_MS:
            yield warning(says, "Each statement needs a round trip, so thousands of small tables take long.",
                          "Run changeover near the target.")  # fmt: skip
        else:
            yield passed(says)


@check("N6", "The clocks agree", "line")
async def clocks(look: Look) -> Answers:
    for side in look.sides:
        line = look.lines.get(side.name)
        if line is not None and line.clock_offset_s is not None and abs(line.clock_offset_s) > MOST_OFFSET_S:
            yield warning(f"The {side.name}'s clock is off by {line.clock_offset_s:.0f} s.", "Times in reports will not match.",
                          "Synchronize both clocks by NTP.")  # fmt: skip


@check("N7", "This machine has pg_dump and pg_restore", "line")
async def programs(look: Look) -> Answers:
    source = look.source.identity.version_num
    target = look.target.identity.version_num if look.target else source
    speaks_tls = any(needs_tls(side.location) for side in look.sides)
    try:
        clients = clients_for(source, target, look.offered, needs_tls=speaks_tls)
    except NoInstallation as lacking:
        yield failed(lacking.what, lacking.why, lacking.fix)
        return
    newest = max(source, target)
    try:
        clients_for(newest, newest, look.offered, needs_tls=speaks_tls)
    except NoInstallation as lacking:
        yield warning(
            f"The schemas can't be compared after the move. {lacking.what}",
            "The comparison dumps both sides with one pg_dump, which must be as new as the newer side.", lacking.fix,
        )  # fmt: skip
    else:
        yield passed(f"pg_dump and pg_restore of PostgreSQL {clients.major} are installed.")


@check("S20", "The connection is encrypted and the server's identity verified", "line")
async def encryption(look: Look) -> Answers:
    for side in look.sides:
        if side.identity.address is None or is_loopback(side.identity.address):
            continue
        if not side.identity.has_tls:
            yield (warning if is_private(side.identity.address) else failed)(
                f"The connection to the {side.name} is not encrypted.", "Others can read passwords and rows on the network.",
                "Add ?sslmode=verify-full&sslrootcert=FILE to its address.",
            )  # fmt: skip
        elif side.location.parameters.get("sslmode") not in ("verify-full", "verify-ca"):
            yield warning(
                f"The connection to the {side.name} is encrypted, but the server's identity is not verified.",
                "Its certificate is not checked.",
                "Add ?sslmode=verify-full&sslrootcert=FILE with the certificate authority of its provider.",
            )  # fmt: skip
    for side in look.sides:
        if side.identity.has_tls and not isinstance(side.location, SocketLocation):
            yield await _certificate(side)


async def _certificate(side: Side) -> Answer:
    try:
        ends = (await server_certificate(side.location)).not_valid_after_utc
    except (OSError, TimeoutError, ValueError) as failure:
        return unknown(f"The {side.name}'s certificate could not be read.", f"{type(failure).__name__}: {failure}")
    if ends < datetime.now(UTC) + SOON:
        return warning(
            f"The {side.name}'s certificate expires on {ends:%Y-%m-%d}.",
            "Clients that verify it can't connect after that.",
            "Renew it before the move.",
        )
    return passed(f"The connection to the {side.name} is encrypted. The certificate is valid until {ends:%Y-%m-%d}.")
