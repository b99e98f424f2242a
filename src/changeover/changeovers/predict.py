"""How long the pause will be: what can be measured now or was measured here before, and what has to be assumed, said as such.

In maintenance people see a page from the moment that dynos are told to end until they are back. Pooled they wait from the hold
to the release; what has to be waited for happens before that and costs them nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from changeover.changeovers.holds.maintenance import levels_to_hold
from changeover.changeovers.methods.follower.cut_over import LITTLE_BEHIND_BYTES, QUIET_S, REHEARSAL_S
from changeover.engines.engine import Behind
from changeover.engines.passage import Traffic
from changeover.errors import ServerUnreachable
from changeover.platform.pooling import poolers_of
from changeover.platform.scope import Scope
from changeover.platform.servers import server_of
from changeover.quantities import counted, in_bytes
from changeover.store import query
from changeover.store.rows import Addon, App, Attachment, Database

ASSUMED_SWITCH_S = {"pooled": 0.1, "maintenance": 0.8}
ASSUMED_BOOT_S, ASSUMED_END_S = 3.0, 1.0
"""Where nothing was measured yet: at most that much where we measured."""
PATIENCE_S = 60.0
"""In maintenance an open transaction is waited for as long as that; then the apps go on without having been moved."""
LONG_S = 1.0
BETWEEN_LOOKS_S = 0.25
MOST_EARLIER, MOST_CHANGES = 5, 3
STARTED, STOPPED = "^[1-9][0-9]* started", "^0 started, [1-9]"


@dataclass(frozen=True)
class Part:
    """A share of the pause. `says`: what happens during it, and where the number comes from."""

    seconds: float
    says: str


@dataclass(frozen=True)
class Prediction:
    """`remarks`: what has to be waited for before the pause can begin, and what else people should know of it."""

    parts: tuple[Part, ...]
    remarks: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return sum(part.seconds for part in self.parts)

    @property
    def because(self) -> str:
        return "; ".join((*(f"{part.says} ({part.seconds:.2g} s)" for part in self.parts), *self.remarks))


@dataclass(frozen=True)
class Looked:
    """What the plan knows already. `target` None: a follower will be made. `traffic` None: the source does not answer."""

    hold: str
    attachments: Sequence[Attachment]
    source: Database
    target: Addon | None
    traffic: Traffic | None


async def predict(scope: Scope, looked: Looked) -> Prediction:
    """Looks at servers, poolers and what was measured before; changes nothing."""
    parts = [await _switch(scope, looked.hold), *await _drain(scope, looked)]
    if looked.hold == "pooled":
        return Prediction(tuple(parts), (await _who_waits(scope, looked), *_waited_for_before(looked.traffic)))
    ends, boots = await _dynos(scope, looked.attachments)
    return Prediction(
        (*ends, *_transactions(looked.traffic), *parts, *boots), () if boots else ("no app has dynos to stop",)
    )


async def _switch(scope: Scope, hold: str) -> Part:
    what = "the follower is promoted while clients wait" if hold == "pooled" else "the follower is promoted"
    earlier = await query.values(scope.db, "changeovers.latest_switches", hold=hold, most=MOST_EARLIER)
    if not earlier:
        return Part(ASSUMED_SWITCH_S[hold], f"{what}: assumed, nothing of the kind was measured here yet")
    return Part(max(earlier), f"{what}: {_longest_of(earlier, 'such changeover')} here")


async def _drain(scope: Scope, looked: Looked) -> list[Part]:
    """What the target has not replayed yet when the hold begins; nothing where it has everything."""
    if looked.target is None:
        return []
    first = await _behind(scope, looked.target, looked.source)
    if first is None or not first.bytes:
        return []
    await asyncio.sleep(BETWEEN_LOOKS_S)
    second = await _behind(scope, looked.target, looked.source)
    return [drain(first, second)] if second is not None and second.bytes else []


def drain(first: Behind, second: Behind) -> Part:
    """Of two looks at a follower that is behind.

    The pause begins only once it is near, and has shown that it gets the newest write in time: that bounds what it may add.
    """
    rate = max(0, second.replayed_bytes - first.replayed_bytes) / BETWEEN_LOOKS_S
    if not rate:
        return Part(REHEARSAL_S, f"the follower is {in_bytes(second.bytes)} behind and replays nothing just now")
    seconds = min(REHEARSAL_S, min(second.bytes, LITTLE_BEHIND_BYTES) / rate)
    return Part(seconds, f"the follower is {in_bytes(second.bytes)} behind and replays {in_bytes(rate)}/s")


async def _behind(scope: Scope, target: Addon, source: Database) -> Behind | None:
    """None when it is unknown. A check has said so then."""
    database = await query.one(scope.db, Database, "databases.find", addon_id=target.id)
    if database is None or database.leader_id != source.addon_id:
        return None
    servers = await server_of(scope.db, database.server_name), await server_of(scope.db, source.server_name)
    try:
        async with scope.asking():
            return await scope.parts.engine.behind(*servers)
    except ServerUnreachable:
        return None


def _transactions(traffic: Traffic | None) -> list[Part]:
    """In maintenance they are waited for with the page on. The estimate: as long again as they have been open."""
    if traffic is None or not traffic.in_transaction or traffic.in_transaction[0].transaction_s < LONG_S:
        return []
    oldest = traffic.in_transaction[0]
    says = f"an open transaction is waited for, assumed as long again as it is open by now: {oldest}"
    return [Part(min(PATIENCE_S, oldest.transaction_s), says)]


def _waited_for_before(traffic: Traffic | None) -> list[str]:
    if traffic is None or not traffic.in_transaction or traffic.in_transaction[0].transaction_s < LONG_S:
        return [f"it begins in an instant without a transaction older than {QUIET_S * 1000:.0f} ms"]
    return [f"it begins only when an open transaction has ended: {traffic.in_transaction[0]}"]


async def _who_waits(scope: Scope, looked: Looked) -> str:
    clients, poolers = 0, await poolers_of(scope.db, looked.source.addon_id)
    for pooler in poolers:
        try:
            async with scope.asking(), scope.parts.poolers.console(pooler) as console:
                clients += (await console.load()).clients
        except ServerUnreachable as down:
            return down.what
    return f"{counted(clients, 'client')} of {counted(len(poolers), 'pooler')} would wait just now"


async def _dynos(scope: Scope, attachments: Sequence[Attachment]) -> tuple[list[Part], list[Part]]:
    """Their end and their boot, those of all apps at once: the slowest app decides."""
    ends, boots = [], []
    for app_id in {one.app_id for one in attachments}:
        app = await query.only(scope.db, App, "apps.find", key=str(app_id))
        if await levels_to_hold(scope, app):
            ends.append(await _change(scope, app, "end", STOPPED, ASSUMED_END_S))
            boots.append(await _change(scope, app, "boot", STARTED, ASSUMED_BOOT_S))
    return _slowest(ends), _slowest(boots)


async def _change(scope: Scope, app: App, what: str, note: str, assumed_s: float) -> Part:
    measured = await query.values(
        scope.db, "changeovers.latest_dyno_changes", app_id=app.id, note=note, most=MOST_CHANGES
    )
    if not measured:
        return Part(assumed_s, f"dynos of {app.name} {what}: assumed, that was not measured yet")
    return Part(max(measured), f"dynos of {app.name} {what}: {_longest_of(measured, 'time')}")


def _slowest(parts: Sequence[Part]) -> list[Part]:
    return [max(parts, key=lambda part: part.seconds)] if parts else []


def _longest_of(measured: Sequence[float], what: str) -> str:
    return f"as the last {what}" if len(measured) == 1 else f"as the longest of the last {len(measured)} {what}s"
