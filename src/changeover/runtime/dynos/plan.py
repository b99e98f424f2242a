"""Which dynos start, stay and go when others are wanted. Decides only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from changeover.runtime.dynos.places import parts_of


@dataclass(frozen=True)
class Present:
    """A program that supervisord knows. `is_stopped`: it stands still, or is being stopped, and nobody wants that."""

    key: str
    port: int | None
    is_stopped: bool = False


@dataclass(frozen=True)
class Plan:
    """By keys. `overlapping` and `exchanged` are pairs of successor and predecessor."""

    kept: tuple[str, ...]
    overlapping: tuple[tuple[str, str], ...]
    """The successor listens before the predecessor goes: they have different ports. A kept one may be such a successor:
    then an earlier attempt was interrupted.
    """
    exchanged: tuple[tuple[str, str], ...]
    """The predecessor goes before the successor comes."""
    added: tuple[str, ...]
    gone: tuple[str, ...]


def plan(wanted: Mapping[str, int | None], present: Iterable[Present]) -> Plan:
    """`wanted`: keys and their ports, in the order in which they are to be replaced."""
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
    """Itself first (it stands still); then any of the same app and name."""
    same = [one for one in leaving if parts_of(one.key)[:2] == parts_of(key)[:2]]
    return next((one for one in same if one.key == key), next(iter(same), None))
