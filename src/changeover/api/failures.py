"""Turns every exception of a request into a failure that both CLIs understand. No other module shapes errors."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from psycopg import DataError, OperationalError
from psycopg.errors import ProgramLimitExceeded
from psycopg_pool import PoolTimeout
from starlette.exceptions import HTTPException

from changeover.api.responses import error_response
from changeover.errors import BadRequest, ChangeoverError, InternalError, InvalidParams, NotFound, StateUnavailable
from changeover.errors.requests import MethodNotAllowed

log = logging.getLogger(__name__)

EXPECTED = (ChangeoverError, HTTPException, RequestValidationError, OperationalError, PoolTimeout, DataError)
"""Exceptions that are no bugs of ours; anything else is answered at the outermost edge."""


async def failure_response(request: Request, error: Exception) -> Response:
    return error_response(failure_of(error, f"{request.method} {request.url.path}"))


def failure_of(error: Exception, what: str) -> ChangeoverError:
    """`what` is the method and path of the request. Logs whatever an operator should see."""
    match error:
        case ChangeoverError():
            return error
        case HTTPException():
            return _of_http(error, what)
        case RequestValidationError():
            return InvalidParams("; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()) + ".")
        case DataError() | ProgramLimitExceeded():
            # Inputs are checked before they reach a statement. This one was not, and the state refused it.
            log.error("%s: the state refused a value: %s", what, error)
            return BadRequest("The request holds a value that can't be stored.", why=str(error).splitlines()[0])
        case OperationalError() | PoolTimeout():
            log.error("state is not reachable: %s", error)
            return StateUnavailable(
                "changeover can't reach its own state.",
                why="The PostgreSQL that keeps it does not answer.",
                fix="It is restarted by itself; try again in a few seconds.",
            )
    log.error("%s failed", what, exc_info=error)
    return InternalError(what)


def _of_http(error: HTTPException, what: str) -> ChangeoverError:
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return MethodNotAllowed(f"changeover has no {what}.", why="The path exists, but not with this method.")
    if error.status_code == HTTPStatus.NOT_FOUND:
        return NotFound(f"changeover has no {what}.")
    return BadRequest(str(error.detail))
