"""Names and values of every sort, drawn from a seeded generator: what generated source databases are made of."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

NAMES: Final = (
    "orders", "Orders", "select", "user", "a b", "a", "b c", "c", "a.b", "b.c", 'say "hi"', "it's", "back\\slash",
    "100% %s %(x)s", "$1", "tab\there", "line\nbreak", "line break", " lead", "trail ", "ünïcode", "🐘", "x" * 63,
    "-- no comment", "/* no */", "; DROP", "_heroku x", "public data", "ACL", "TABLE DATA", "0", "1e5", "\\.", "{curly}",
    "comma,comma", "(paren)", "a:b", "@",
)  # fmt: skip
TEXTS: Final = (
    "", " ", "plain", "it's", "a\\b", "\\N", "\\.", "NULL", "tab\tand\nbreak\r\n", '"quoted"', "{a,b}", "(1,2)", "ü🐘", "%s",
    "x" * 3000, "'", "\\\\", ",", "ß", "\u2028", "\x01",
)  # fmt: skip
KEYS: Final[dict[str, Callable[[Random], str]]] = {
    "int": lambda r: str(r.randint(-(2**31), 2**31 - 1)),
    "bigint": lambda r: str(r.randint(-(2**63), 2**63 - 1)),
    "text": lambda r: literal(r.choice(TEXTS) + str(r.randint(0, 10**9))),
    'varchar(40) COLLATE "C"': lambda r: literal(str(r.randint(0, 10**9))),
    "uuid": lambda r: f"'{r.getrandbits(128):032x}'",
    "numeric": lambda r: f"{r.randint(-(10**20), 10**20)}.{r.randint(0, 10**9):09}",
    "timestamptz": lambda r: (
        f"timestamptz 'epoch' + interval '{r.randint(-(10**9), 10**9)}.{r.randint(0, 999999):06} s'"
    ),
    "bytea": lambda r: f"'\\x{r.getrandbits(64):016x}'",
}
"""Types that a key may have: what is drawn twice is hardly ever the same."""


def _of(*values: str) -> Callable[[Random], str]:
    return lambda r: literal(r.choice(values))


OTHERS: Final[dict[str, Callable[[Random], str]]] = {
    "smallint": _of("-32768", "0", "32767"),
    "real": _of("NaN", "-Infinity", "1.17549435e-38", "0.1", "-0"),
    "double precision": _of("NaN", "Infinity", "-0", "0.1", "4.9e-324", "1.7976931348623157e308", "0.30000000000000004"),
    "numeric(12,-3)": _of("123456", "-999999999"),
    "numeric(9,4)": _of("NaN", "99999.9999", "0.0000"),
    "boolean": _of("t", "f"),
    "varchar(10)": _of("", "0123456789", "a\\b", "ünï"),
    "char(5)": _of("", "a", "ab   "),
    '"char"': _of("", "a", "\\"),
    "name": _of("x", "a b"),
    "date": _of("infinity", "-infinity", "0044-03-15 BC", "2024-02-29", "5874897-12-31"),
    "timestamp(3)": _of("2024-01-01 00:00:00.0005", "infinity", "4713-01-01 00:00:00 BC"),
    "time": _of("24:00:00", "00:00:00.000001"),
    "timetz": _of("24:00:00-15:59", "12:00+05:45"),
    "interval": _of("-1 mon +2 days -03:00:00.000001", "178000000 years", "0"),
    "interval day to second(2)": _of("1 day 02:03:04.55", "-5 days"),
    "money": _of("-0.01", "92233720368547758.07"),
    "json": _of("null", ' {"a" : 1, "a":2 }', '"\\u00fc\\n"', "1e400"),
    "jsonb": _of("null", '{"b": [1, 2.50, "x\\"y"], "a": null}', "[]", "1e100"),
    "jsonpath": _of("$.a[*] ? (@ > 1)",),
    "inet": _of("::1", "10.1.2.3/8"),
    "cidr": _of("10.0.0.0/8", "2001:db8::/32"),
    "macaddr8": _of("08:00:2b:01:02:03:04:05"),
    "point": _of("(NaN,-0)", "(1e300,0.1)"),
    "box": _of("(1,1),(0,0)"),
    "polygon": _of("((0,0),(1,1),(2,0))"),
    "circle": _of("<(0,0),1.5>"),
    "lseg": _of("[(0,0),(1,1)]"),
    "bit(5)": _of("10101", "00000"),
    "bit varying": _of("", "101"),
    "tsvector": _of("'a\\b':1A 'it''s':2,3", ""),
    "tsquery": _of("'a' & !'b c':*", ""),
    "int4range": _of("empty", "[1,10)", "(,)", "[5,]"),
    "tstzrange": _of("[2024-01-01 00:00+00,infinity)", "(,)"),
    "int4multirange": _of("{}", "{[1,3),[5,)}"),
    "numrange": _of("(1.10,2.200]"),
    "text[]": _of("{}", "{NULL,\"NULL\",\"\",\"a\\\\b\"}", "[0:1]={x,\"y z\"}", '{{a,"{"},{c,","}}'),
    "int[][]": _of("{{1,2},{3,NULL}}", "[-1:0][2:2]={{1},{2}}"),
    "float8[]": _of("{NaN,-0,0.1}"),
    "bytea[]": _of('{"\\\\x00ff",NULL}'),
    "interval[]": _of('{"-1 mons +2 days","00:00:00.1"}'),
    "pg_lsn": _of("FFFFFFFF/FFFFFFFF", "0/0"),
    "oid": _of("4294967295", "0"),
    "regtype": _of("integer", "text[]"),
    "pg_snapshot": _of("10:20:10,14"),
}  # fmt: skip


def identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """With standard_conforming_strings on."""
    return "'" + text.replace("'", "''") + "'"


class Names:
    """Names that nothing else in their space has; often they look like one that something else has."""

    def __init__(self, random: Random) -> None:
        self._random, self._taken = random, set[tuple[str, str]]()

    def new(self, space: str = "") -> str:
        """Quoted."""
        name = self._random.choice(NAMES)
        while (space, name) in self._taken:
            name = (
                f"{self._random.choice(NAMES)[:50].encode()[:50].decode(errors='ignore')}{self._random.randint(0, 99)}"
            )
        self._taken.add((space, name))
        return identifier(name)
