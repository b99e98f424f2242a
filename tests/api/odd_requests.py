"""Requests drawn from an OpenAPI document and a seed: some as described, most of them with something odd in one place.

What it draws follows from the seed and the document alone, so a request that failed can be sent again.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

Schema = dict[str, Any]

ODD_TEXTS = (
    "", " ", "~", "*", "..", "../..", "'", '"', "%", "%s", "{}", "null", "-1", "0", "1", "1e9", "NaN", "9" * 25, "9" * 5000,
    "\u00b2", "\u0663", "\u00fc", "\U0001f600", "\ufeff", "\u202e", "a\nb", "\r\nX-A: b", "a\x00b", "\x00", "\x7f", "x" * 300,
    "x" * 9000, "postgres://u@127.0.0.1:1/d", "postgres://u@127.0.0.1:1/d?sslkeylogfile=/x", "host=/run dbname=x", "postgres://",
    "00000000-0000-0000-0000-000000000000", "credential:default", "user:connection-pooling", "web", "run.1", "+1", "hourly",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 1e308, 10**19, 2**31, 2**63, 2**64, [], {}, [[]], [{}], {"id": 1}, {"name": []}, [None],
)  # fmt: skip
ODD_JSON = (
    b"", b" ", b"{", b"[]", b"null", b"1", b'"x"', b"\xff\xfe", b"\xef\xbb\xbf{}", b'{"a":NaN}', b'{"a":1e999}',
    b'{"name":"\\ud800"}', b'{"name":"\\u0000"}', b'{"a":1,"a":2}', b"[" * 5000, b'{"a":' * 50 + b"1" + b"}" * 50,
    b'{"n":' + b"9" * 5000 + b"}", b"a=b&c=d", '{"name":"x"}'.encode("utf-16"),
)  # fmt: skip
ODD_HEADERS: tuple[dict[str, str], ...] = (
    {}, {"Range": "id ..; max=1"}, {"Range": "version ]3..; order=desc"}, {"Range": "bytes=0-1"},
    {"Range": "id \u00fc..; max=\u00b2"}, {"Range": "x" * 500}, {"Accept": "\u00fc"}, {"Content-Type": "text/plain"},
    {"Content-Encoding": "gzip"}, {"Last-Event-ID": "9" * 50}, {"X-Forwarded-Host": "a\tb"}, {"Host": "\u00fc"},
    {"If-None-Match": "*"},
)  # fmt: skip


@dataclass(frozen=True)
class OddRequest:
    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes | None

    def __str__(self) -> str:
        return f"{self.method} {self.target[:200].decode()} {self.headers} {(self.body or b'')[:200]!r}"


@dataclass
class RequestSource:
    """`known` are names and ids that exist, by the name of the parameter or field they belong to."""

    document: dict[str, Any]
    seed: int
    known: dict[str, list[str]]
    spared: Sequence[str] = ()
    """Operations that would take the ground away from under the others."""
    _draw: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._draw = random.Random(self.seed)  # noqa: S311 - it only has to be the same each time

    def draw(self, count: int) -> Iterator[OddRequest]:
        operations = [
            (method.upper(), path, operation)
            for path, methods in sorted(self.document["paths"].items())
            for method, operation in sorted(methods.items())
            if f"{method.upper()} {path}" not in self.spared
        ]
        for number in range(count):
            method, path, operation = operations[number % len(operations)]
            yield self._request(method, path, operation)

    def _request(self, method: str, path: str, operation: dict[str, Any]) -> OddRequest:
        query = []
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", self._part(parameter["name"]))
            elif parameter["in"] == "query" and self._draw.random() < 0.7:
                query.append(f"{parameter['name']}={self._part(parameter['name'])}")
        target = path + ("?" + "&".join(query) if query else "")
        headers = [(name.encode(), text.encode("latin-1", "replace")) for name, text in self._headers().items()]
        content = operation.get("requestBody", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {}) if content else None
        return OddRequest(method, target.encode(), headers, self._body(schema, method))

    def _headers(self) -> dict[str, str]:
        return self._draw.choice(ODD_HEADERS) if self._draw.random() < 0.3 else {}

    def _part(self, name: str) -> str:
        """Of a path or a query: mostly something that exists, or the request ends at its first step."""
        if self._draw.random() < 0.75 and name in self.known:
            return quote(self._draw.choice(self.known[name]), safe="")
        if self._draw.random() < 0.2:
            return self._draw.choice(("%00", "%ff", "%ed%a0%80", "%", "%zz", "%2e%2e%2f", "%0d%0a"))
        return quote(self._draw.choice(ODD_TEXTS), safe="") or "%20"

    def _body(self, schema: Schema | None, method: str) -> bytes | None:
        if schema is None:
            return None if method == "GET" or self._draw.random() < 0.8 else self._draw.choice(ODD_JSON)
        if self._draw.random() < 0.15:
            return self._draw.choice(ODD_JSON)
        fields = {
            name: self._value(name, one)
            for name, one in schema.get("properties", {}).items()
            if self._draw.random() < 0.8
        }
        if self._draw.random() < 0.2:
            fields[self._draw.choice(ODD_TEXTS)] = self._draw.choice(ODD_VALUES)
        return json.dumps(fields).encode()

    def _value(self, name: str, schema: Schema) -> Any:
        chance = self._draw.random()
        if chance < 0.2:
            return self._draw.choice(ODD_VALUES)
        if chance < 0.45:
            return self._draw.choice(ODD_TEXTS)
        if name in self.known:
            return self._draw.choice(self.known[name])
        return self._described(schema)

    def _described(self, schema: Schema) -> Any:
        schema = self._draw.choice(schema["anyOf"]) if "anyOf" in schema else schema
        kind = schema.get("type", "string")
        drawn: dict[str, Callable[[], Any]] = {
            "object": lambda: {name: self._value(name, one) for name, one in schema.get("properties", {}).items()},
            "array": lambda: [self._described(schema.get("items", {})) for _ in range(self._draw.randrange(3))],
            "boolean": lambda: self._draw.random() < 0.5,
            "integer": lambda: self._draw.randrange(100),
            "number": lambda: self._draw.randrange(100),
            "string": lambda: self._draw.choice(schema.get("enum", ODD_TEXTS)),
        }
        return drawn[kind[0] if isinstance(kind, list) else kind]()
