"""Converts every exception of a request to an error for both CLIs. No other module formats errors."""

from __future__ import annotations

import logging
from http import HTTPStatus
from pathlib import Path

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg import DataError, OperationalError
from psycopg.errors import ProgramLimitExceeded
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import Scope

from changeover.api.responses import error_response
from changeover.errors import BadRequest, ChangeoverError, InternalError, InvalidParams, NotFound, StateUnavailable
from changeover.errors.requests import MethodNotAllowed
from changeover.hosts.disks import disk_full, full_disk_behind, is_nearly_full

log = logging.getLogger(__name__)

EXPECTED = (ChangeoverError, HTTPException, RequestValidationError, OperationalError, PoolTimeout, DataError)
"""Expected exceptions. All others are answered in the outermost layer."""


async def failure_response(request: Request, error: Exception) -> Response:
    return error_response(failure_of(error, f"{request.method} {request.url.path}", home_of(request.scope)))


def home_of(scope: Scope) -> Path:
    """The folder of the state, for the check of a full disk."""
    home: Path = scope["app"].state.desk.parts.home
    return home


def failure_of(error: Exception, what: str, home: Path) -> ChangeoverError:
    """`what` is the method and path of the request. Logs what an operator should know."""
    match error:
        case ChangeoverError():
            return error
        case HTTPException():
            return _of_http(error, what)
        case RequestValidationError():
            return InvalidParams("; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()) + ".")
        case DataError() | ProgramLimitExceeded():
            # A value that should have been checked before, and that the state refused.
            log.error("%s: the state refused a value: %s", what, error)
            return BadRequest("The request contains a value that can't be stored.", why=str(error).splitlines()[0])
        case OperationalError() | PoolTimeout():
            log.error("state is not reachable: %s", error)
            return _of_state(error, home)
    log.error("%s failed", what, exc_info=error)
    return full_disk_behind(error, f"A disk is full: {what} was not done.") or InternalError(what)


def _of_state(error: Exception, home: Path) -> ChangeoverError:
    if full := full_disk_behind(error, "The disk of changeover's own state is full: nothing was saved.", where=home):
        return full
    if is_nearly_full(home):
        return disk_full("changeover's own state can't run: its disk is full.", home)
    return StateUnavailable(
        "changeover can't reach its own state.",
        why="Its PostgreSQL does not answer.",
        fix="It is restarted automatically. Try again in a few seconds.",
    )


def _of_http(error: HTTPException, what: str) -> ChangeoverError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed(f"changeover has no {what}.", why="The path exists, but not with this method.")
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound(f"changeover has no {what}.")
    return BadRequest(str(error.detail))
