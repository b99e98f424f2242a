"""Answers that are no plain object: errors, and the few "raw" ones without a message."""

from __future__ import annotations

from fastapi.responses import JSONResponse, Response

from changeover.errors import ChangeoverError


def error_response(error: ChangeoverError) -> JSONResponse:
    """The error as a response."""
    return JSONResponse(error.as_dict(), status_code=error.status)


def raw(status: int) -> Response:
    """Without a body: the few places where the official CLI goes on only when there is no message."""
    return Response(status_code=status, media_type="application/json")
