"""Answers that are no plain object: errors, and the few "raw" ones without a message."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from changeover.errors import ChangeoverError


def error_response(error: ChangeoverError) -> JSONResponse:
    """The error as a response."""
    return JSONResponse(error.as_dict(), status_code=error.status)


def raw(error: ChangeoverError) -> JSONResponse:
    """Without `message`: the few places where the official CLI goes on, or exits as scripts expect, only then."""
    body = {key: value for key, value in error.as_dict().items() if key != "message"}
    return JSONResponse(body, status_code=error.status)
