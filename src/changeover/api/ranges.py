"""The Range header of list requests: `version ..; max=15, order=desc` (options in any order and notation)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from changeover.errors import ChangeoverError

MOST = 1000
SORTABLE = ("id", "name", "version", "created_at", "updated_at")
_FORM = re.compile(
    r"(?P<field>[a-z_]{1,20}) +(?P<open>\]?)(?P<start>[!-~]{0,200}?)\.\."
    r"(?P<end>[!-+\--:<-~]{0,200}) *[;,]? *(?P<options>[ -~]*)",
    re.ASCII,
)
_OPTION = re.compile(r"(\w{1,20})\s*=\s*(\w{1,20})", re.ASCII)


class BadRange(ChangeoverError):
    """The Range header can't be parsed."""

    id, status = "requested_range_not_satisfiable", 416


@dataclass(frozen=True)
class RequestedRange:
    """The requested range. `start` and `end` are bounds in the order of the answer, or None if open."""

    field: str
    start: int | str | None
    end: int | str | None
    is_start_excluded: bool
    is_descending: bool
    most: int

    def covers(self, value: int | str) -> bool:
        if value == self.start:
            return not self.is_start_excluded
        return not self._is_before(value, self.start) and not self._is_before(self.end, value)

    def _is_before(self, one: int | str | None, other: int | str | None) -> bool:
        if one is None or other is None:
            return False
        if isinstance(one, int) and isinstance(other, int):
            return one > other if self.is_descending else one < other
        return str(one) > str(other) if self.is_descending else str(one) < str(other)


def page(request: Request, items: Sequence[dict[str, Any]], *, field: str = "id") -> JSONResponse:
    """The requested part: 200 if it is everything, else 206 with Next-Range. Raises BadRange."""
    text = request.headers.get("range", "").strip()
    if not text:
        return JSONResponse(list(items))
    asked = parse_range(text, field)
    if any(not isinstance(item.get(asked.field), int | str) for item in items):
        raise _bad(text, field)
    ordered = sorted(items, key=lambda item: item[asked.field], reverse=asked.is_descending)
    covered = [item for item in ordered if asked.covers(item[asked.field])]
    chosen, rest = covered[: asked.most], covered[asked.most :]
    if not rest:
        return JSONResponse(chosen)
    order = "desc" if asked.is_descending else "asc"
    further = f"{asked.field} ]{chosen[-1][asked.field]}..; max={asked.most}, order={order}"
    return JSONResponse(chosen, status_code=206, headers={"Next-Range": further})


def parse_range(text: str, usual_field: str) -> RequestedRange:
    """Raises BadRange."""
    form = _FORM.fullmatch(text)
    if form is None or form["field"] not in SORTABLE:
        raise _bad(text, usual_field)
    options = dict(_OPTION.findall(form["options"]))
    most, order = options.get("max", str(MOST)), options.get("order", "asc")
    if not re.fullmatch("[0-9]{1,9}", most) or order not in ("asc", "desc"):
        raise _bad(text, usual_field)
    start, end = _bound(form["field"], form["start"]), _bound(form["field"], form["end"])
    if form["field"] == "version" and (isinstance(start, str) or isinstance(end, str)):
        raise _bad(text, usual_field)
    return RequestedRange(
        form["field"], start, end, is_start_excluded=bool(form["open"]), is_descending=order == "desc",
        most=min(MOST, max(1, int(most))),
    )  # fmt: skip


def _bound(field: str, text: str) -> int | str | None:
    if field == "version" and re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    return text or None


def _bad(text: str, field: str) -> BadRange:
    return BadRange(f"The range {text[:100]!r} can't be satisfied.", fix=f"Use a range like `{field} ..; max=100`.")
