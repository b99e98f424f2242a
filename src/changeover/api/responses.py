"""Responses other than plain objects: errors, and a few "raw" ones without a message."""

from __future__ import annotations

from fastapi.responses import JSONResponse

from changeover.errors import ChangeoverError


def error_response(error: ChangeoverError) -> JSONResponse:
    """The error as a response."""
    return JSONResponse(error.as_dict(), status_code=error.status)


def raw(error: ChangeoverError) -> JSONResponse:
    """Without `message`, where the official CLI requires that to continue, or to exit as scripts expect."""
    body = {key: value for key, value in error.as_dict().items() if key != "message"}
    return JSONResponse(body, status_code=error.status)
