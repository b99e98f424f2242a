"""Two apps in front of one database, and the people who order from them all the while."""

from __future__ import annotations

import http.client
import shutil
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import httpx2
import psycopg
from tests.fix_control_plane import ControlPlane, wait_until

DYNO_PATH = "/usr/local/bin:/usr/bin:/bin"
VENDORED = ("psycopg", "psycopg_binary", "psycopg_binary.libs", "typing_extensions.py")
PAUSE_S = 0.05


def python_of_dynos() -> str:
    """Of our own version, as the driver is compiled for it; one that the dynos' user may run."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return name if shutil.which(name, path=DYNO_PATH) else str(Path(sys.base_prefix) / "bin" / name)


def write_code(folder: Path) -> None:
    """orders.py with a Procfile, and its driver beside it: dynos may not enter our environment."""
    shutil.copy(Path(__file__).with_name("orders.py"), folder)
    driver = Path(psycopg.__file__).parents[1]
    for name in VENDORED:
        if (driver / name).is_dir():
            shutil.copytree(driver / name, folder / "vendor" / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif (driver / name).exists():
            shutil.copy(driver / name, folder / "vendor")
    types = ("web", "worker", "release")
    (folder / "Procfile").write_text("".join(f"{one}: exec {python_of_dynos()} -P orders.py {one}\n" for one in types))


class Customer:
    """Orders again and again, by a thread of its own. An order counts once it was answered with 201."""

    def __init__(self, plane: ControlPlane, app: str) -> None:
        with plane.client() as client:
            url = httpx2.URL(client.get(f"/apps/{app}").json()["web_url"])
        self._host, self._port = f"{url.host}:{url.port}", url.port
        self.taken: list[str] = []
        self.others: Counter[int | str] = Counter()
        """What else was answered, by status; or how the connection ended."""
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._order_again_and_again)

    def begin(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def order(self) -> int:
        """One, on a connection of its own; the answer's status."""
        key = str(uuid.uuid4())
        connection = http.client.HTTPConnection("127.0.0.1", self._port or 80, timeout=30)
        try:
            connection.request("POST", "/", body=key, headers={"Host": self._host})
            status = connection.getresponse().status
        finally:
            connection.close()
        if status == 201:
            self.taken.append(key)
        return status

    def _order_again_and_again(self) -> None:
        while not self._is_over.wait(PAUSE_S):
            try:
                status: int | str = self.order()
            except (OSError, http.client.HTTPException) as error:
                status = type(error).__name__
            if status != 201:
                self.others[status] += 1


class Shop:
    """The same code as several apps over one database. `ledger`: where their workers say what was acknowledged."""

    def __init__(self, plane: ControlPlane, folder: Path, apps: Iterable[str]) -> None:
        self._plane, self._folder, self._apps = plane, folder, tuple(apps)
        self.customers: dict[str, Customer] = {}

    def open(self) -> None:
        """Deploys everything; then people come."""
        write_code(self._folder)
        for app in self._apps:
            self.ledger(app).mkdir(parents=True)
            self.ledger(app).chmod(0o777)
            self._plane.must("config:set", f"LEDGER={self.ledger(app)}", "-a", app)
            self._plane.must("deploy", str(self._folder), "-a", app)
            customer = self.customers[app] = Customer(self._plane, app)
            wait_until(lambda asks=customer: asks.order() == 201, what=f"{app} to take an order")  # type: ignore[misc]
            customer.begin()

    def close(self) -> None:
        for customer in self.customers.values():
            customer.end()

    def ledger(self, app: str) -> Path:
        return self._plane.home / "ledger" / app

    def from_workers(self, app: str) -> set[str]:
        """Only whole lines: a key is written after its commit, with its newline."""
        texts = [file.read_text() for file in self.ledger(app).iterdir()]
        return {line.strip() for text in texts for line in text.splitlines(keepends=True) if line.endswith("\n")}

    def acknowledged(self) -> set[str]:
        by_people = {key for customer in self.customers.values() for key in customer.taken}
        return by_people.union(*(self.from_workers(app) for app in self._apps))

    def until_trade_goes_on(self, app: str) -> None:
        """Both kinds of orders: more of them than now."""
        customer, by_people, by_workers = self.customers[app], len(self.customers[app].taken), self.from_workers(app)
        wait_until(lambda: len(customer.taken) > by_people + 5, what=f"further orders of people at {app}")
        wait_until(lambda: len(self.from_workers(app)) > len(by_workers) + 5, what=f"further orders of {app}'s workers")


def found_in(url: str) -> set[str]:
    with psycopg.connect(url) as database:
        return {str(row[0]) for row in database.execute("SELECT key FROM taken")}
