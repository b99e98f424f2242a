"""Assigns lanes to apps and writes the files that the router reads for each request.

So changes of apps, hostnames, dynos and pages take effect with the next request, and disturb no connection. Changes are
ordered so that a request sees the old or the new state, and the next `settle` repairs what a crash left.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import count, takewhile
from pathlib import Path

from changeover.runtime.router import pages
from changeover.runtime.router.configuration import slot_contents
from changeover.runtime.router.places import APP, ERROR, MAINTENANCE, SLOTS, RouterPlaces
from changeover.runtime.router.router import Site

YOUNG_S = 60.0


class Lanes:
    """The lanes of one home. Several processes may use them concurrently."""

    def __init__(self, places: RouterPlaces) -> None:
        self.places = places

    def taken(self) -> dict[str, int]:
        """The lane of each app."""
        links = [path for path in self.places.sites.iterdir() if path.is_symlink()]
        return {path.name: int(path.readlink().name) for path in links}

    def settle(self, sites: Iterable[Site], *, slots: int) -> int:
        """Make exactly these apps reachable, by exactly their hostnames. Returns the number of lanes needed."""
        wanted = {site.app: site for site in sites}
        with self._alone():
            taken = self.taken()
            for app in taken.keys() - wanted.keys():
                if self._leave(app, taken[app]):
                    del taken[app]
            for site in wanted.values():
                lane = self._enter(site.app, taken)
                if site.ports is not None or _lacks_slots(lane, slots):
                    self._lead(lane, _led_to(lane) if site.ports is None else site.ports, slots=slots)
            public = [site for site in wanted.values() if not site.is_internal]
            self._name({host: taken[site.app] for site in public for host in site.hostnames})
            self._clear(set(taken.values()))
        return max(taken.values(), default=0) + 1

    def lead(self, app: str, ports: tuple[int, ...], *, slots: int) -> None:
        """Forward requests to these ports in turn. Without ports, the error page is shown."""
        with self._alone():
            self._lead(self._enter(app, self.taken()), ports, slots=slots)

    def put(self, app: str, page: str, content: bytes | None) -> None:
        """Write or remove (None) one of the app's pages: MAINTENANCE or ERROR."""
        with self._alone():
            path = self._enter(app, self.taken()) / page
            if content is None:
                path.unlink(missing_ok=True)
            else:
                self.places.write(path, content, durably=page == MAINTENANCE)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Prevents two processes from assigning the same lane."""
        with (self.places.home / "lanes.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _enter(self, app: str, taken: dict[str, int]) -> Path:
        """The app's lane. A new app gets a free one, added to `taken`. Its link is created last."""
        if app in taken:
            return self.places.lane(taken[app])
        numbers = set(taken.values())
        number = next(number for number in count() if number not in numbers)
        lane = self.places.lane(number)
        shutil.rmtree(lane, ignore_errors=True)
        self.places.write(lane / APP, app.encode())
        self.places.write(lane / ERROR, pages.ERROR)
        self.places.site(app).symlink_to(Path("..") / self.places.lanes.name / str(number))
        taken[app] = number
        return lane

    def _leave(self, app: str, number: int) -> bool:
        """Remove its hostnames first, so that no request finds an empty lane. False if it is kept.

        A new lane without hostnames is kept: the app may have been created after the caller's list was read.
        """
        lane = self.places.lane(number)
        names = list(self.places.hosts.glob(f"*/{number}"))
        if not names and time.time() - (lane / APP).stat().st_mtime < YOUNG_S:
            return False
        for file in names:
            file.unlink()
        self.places.site(app).unlink()
        shutil.rmtree(lane, ignore_errors=True)
        return True

    def _lead(self, lane: Path, ports: tuple[int, ...], *, slots: int) -> None:
        wanted = slot_contents(ports, slots)
        if not wanted:
            (lane / SLOTS / "0").unlink(missing_ok=True)  # the slot that enables forwarding
        for number in reversed(range(len(wanted))):
            slot = lane / SLOTS / str(number)
            if _read(slot) != wanted[number]:
                self.places.write(slot, wanted[number].encode())

    def _name(self, hosts: dict[str, int]) -> None:
        for host, lane in hosts.items():
            if not (file := self.places.hosts / host / str(lane)).exists():
                file.parent.mkdir(exist_ok=True)
                file.parent.chmod(0o755)  # Caddy lists it
                file.touch()
        for folder in self.places.hosts.iterdir():
            if folder.name not in hosts:
                shutil.rmtree(folder)
                continue
            for file in folder.iterdir():
                if file.name != str(hosts[folder.name]):
                    file.unlink()

    def _clear(self, lanes: set[int]) -> None:
        """Remove what a crash left behind."""
        for folder in self.places.lanes.iterdir():
            if int(folder.name) not in lanes:
                shutil.rmtree(folder, ignore_errors=True)


def _lacks_slots(lane: Path, slots: int) -> bool:
    """Whether its slots were written when there were fewer."""
    return (lane / SLOTS / "0").exists() and not (lane / SLOTS / str(slots - 1)).exists()


def _led_to(lane: Path) -> tuple[int, ...]:
    """The ports in its slots, in order."""
    addresses = takewhile(bool, (_read(lane / SLOTS / str(number)) for number in count()))
    return tuple(dict.fromkeys(int(address.rpartition(":")[2]) for address in addresses if address))


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None
