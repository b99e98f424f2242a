"""The Range header of list requests: `version ..; max=15, order=desc` (options in any order and notation)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

from changeover.errors import ChangeoverError

DEFAULT_MAX = 1000
_FORM = re.compile(r"\s*(?P<field>[\w-]+)\s+(?P<open>\]?)(?P<start>[^.;,\s]*)\.\.(?P<end>[^;,\s]*)\s*(?P<options>.*)")


class BadRange(ChangeoverError):
    """The Range header names no range that we understand."""

    id, status = "requested_range_not_satisfiable", 416


def page(request: Request, items: Sequence[dict[str, Any]], *, field: str = "id") -> JSONResponse:
    """The asked-for part: 200 when it is all there is, 206 with Next-Range otherwise. Raises BadRange."""
    text = request.headers.get("range", "").strip()
    if not text:
        return JSONResponse(list(items))
    form = _FORM.fullmatch(text)
    if form is None or any(form["field"] not in item for item in items[:1]):
        raise BadRange(f"The range {text!r} can't be satisfied.", fix=f"Write it as `{field} ..; max=100`.")
    field = form["field"]
    options = dict(re.findall(r"(\w+)\s*=\s*(\w+)", form["options"]))
    ordered = sorted(items, key=lambda item: _key(item[field]), reverse=options.get("order") == "desc")
    if form["start"]:
        ordered = _from(ordered, field, form["start"], exclusive=bool(form["open"]), descending="order" in options
                        and options["order"] == "desc")  # fmt: skip
    most = max(1, int(options["max"])) if options.get("max", "").isdigit() else DEFAULT_MAX
    chosen, rest = ordered[:most], ordered[most:]
    headers = {}
    if rest:
        order = options.get("order", "asc")
        headers["Next-Range"] = f"{field} ]{chosen[-1][field]}..; max={most}, order={order}"
    return JSONResponse(chosen, status_code=206 if rest else 200, headers=headers)


def _key(value: Any) -> Any:
    return value if isinstance(value, int) else str(value)


def _from(
    items: list[dict[str, Any]], field: str, start: str, *, exclusive: bool, descending: bool
) -> list[dict[str, Any]]:
    def is_in(item: dict[str, Any]) -> bool:
        value = _key(item[field])
        bound = int(start) if isinstance(value, int) and start.isdigit() else start
        if value == bound:
            return not exclusive
        return bool(value < bound) if descending else bool(value > bound)

    return [item for item in items if is_in(item)]
