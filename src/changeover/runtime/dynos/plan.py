"""Plans which dynos to start, keep and end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from changeover.runtime.dynos.places import parts_of


@dataclass(frozen=True)
class Present:
    """A program that supervisord knows. `is_stopped`: it is not running or is being stopped, though it should run."""

    key: str
    port: int | None
    is_stopped: bool = False


@dataclass(frozen=True)
class Plan:
    """By key. `overlapping` and `exchanged` are pairs of successor and predecessor."""

    kept: tuple[str, ...]
    overlapping: tuple[tuple[str, str], ...]
    """The successor listens before the predecessor ends, because their ports differ. The successor may be a kept dyno
    if an earlier attempt was interrupted.
    """
    exchanged: tuple[tuple[str, str], ...]
    """The predecessor ends before the successor starts."""
    added: tuple[str, ...]
    gone: tuple[str, ...]


def plan(wanted: Mapping[str, int | None], present: Iterable[Present]) -> Plan:
    """`wanted` maps keys to ports, in the order to replace them."""
    here = {one.key: one for one in present}
    kept = tuple(key for key in wanted if key in here and not here[key].is_stopped)
    leaving = [one for one in here.values() if one.key not in kept]
    overlapping: list[tuple[str, str]] = []
    exchanged: list[tuple[str, str]] = []
    added: list[str] = []
    for key, port in wanted.items():
        old = _predecessor(key, leaving)
        if key in kept and (old is None or not _may_overlap(port, old)):
            continue
        if old is None:
            added.append(key)
            continue
        leaving.remove(old)
        (overlapping if _may_overlap(port, old) else exchanged).append((key, old.key))
    gone = tuple(one.key for one in leaving)
    return Plan(kept, tuple(overlapping), tuple(exchanged), tuple(added), gone)


def _may_overlap(port: int | None, old: Present) -> bool:
    return port is not None and old.port is not None and old.port != port and not old.is_stopped


def _predecessor(key: str, leaving: list[Present]) -> Present | None:
    """The dyno itself if it is stopped, else any with the same app and name."""
    same = [one for one in leaving if parts_of(one.key)[:2] == parts_of(key)[:2]]
    return next((one for one in same if one.key == key), next(iter(same), None))
