"""The shop's customers: they send orders over HTTP, each over one persistent connection, and record every answer."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlsplit

CUSTOMERS = 8
PER_SECOND = 25
"""Per customer."""
PATIENCE_S = 30
MAINTENANCE = b"Offline for Maintenance"


@dataclass(frozen=True)
class Request:
    """One order and its answer. Times are seconds of the machine's monotonic clock."""

    order: int
    sent_at: float
    answered_at: float
    outcome: Literal["acknowledged", "maintenance", "failed"]
    said: str = ""
    """What went wrong, if it failed."""


class Customer:
    """Numbers its orders uniquely, and reuses its connection."""

    def __init__(self, number: int, url: str) -> None:
        self.requests: list[Request] = []
        self.acknowledged = 0
        self._number = number
        self._host = urlsplit(url).netloc
        self._connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=PATIENCE_S)

    def order_until(self, told_to_end: threading.Event) -> None:
        while not told_to_end.is_set():
            request = self._order(self._number * 1_000_000 + len(self.requests))
            self.requests.append(request)
            self.acknowledged += request.outcome == "acknowledged"
            told_to_end.wait(1 / PER_SECOND)
        self._connection.close()

    def _order(self, order: int) -> Request:
        body = json.dumps({"id": order, "customer": f"customer {self._number}", "cents": 100 + order % 900})
        sent_at = time.monotonic()
        try:
            self._connection.request("POST", "/orders", body, {"Host": self._host, "Content-Type": "application/json"})
            answer = self._connection.getresponse()
            page = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return Request(order, sent_at, time.monotonic(), "failed", f"{type(error).__name__}: {error}")
        now = time.monotonic()
        if answer.status == HTTPStatus.CREATED:
            return Request(order, sent_at, now, "acknowledged")
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and MAINTENANCE in page:
            return Request(order, sent_at, now, "maintenance")
        return Request(order, sent_at, now, "failed", f"{answer.status} {answer.reason}")


class Customers:
    """All customers, at the app's address."""

    def __init__(self, url: str) -> None:
        self._all = [Customer(number, url) for number in range(1, CUSTOMERS + 1)]
        self._told_to_end = threading.Event()
        self._threads = [
            threading.Thread(target=customer.order_until, args=[self._told_to_end], daemon=True)
            for customer in self._all
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Returns when every request in progress was answered."""
        self._told_to_end.set()
        for thread in self._threads:
            thread.join()

    @property
    def requests(self) -> list[Request]:
        """The requests so far, in the order of the answers."""
        requests = [request for customer in self._all for request in list(customer.requests)]
        return sorted(requests, key=lambda request: request.answered_at)

    @property
    def count(self) -> int:
        return sum(len(customer.requests) for customer in self._all)

    @property
    def acknowledged(self) -> int:
        return sum(customer.acknowledged for customer in self._all)
