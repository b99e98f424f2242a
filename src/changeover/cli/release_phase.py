"""Follows a release phase: copies its output and waits for its end."""

from __future__ import annotations

import codecs
import http.client
import sys
import time
from collections.abc import Iterator

from changeover.cli.resolve import Record
from changeover.client import Client, poll, segment, streamed
from changeover.errors import NoAnswer

LONGEST_S = 65 * 60
"""A release phase may take an hour without any output. Then the server ends it."""


def looks(client: Client, app: str, version: int, *, timeout_s: float, every_s: float = 1.0) -> Iterator[Record]:
    """The release, repeatedly, until its phase has ended or the time is up."""
    deadline = time.monotonic() + timeout_s
    for release in poll(lambda: client.get(f"/apps/{segment(app)}/releases/{version}"), every_s=every_s):
        yield release
        if release["status"] != "pending" or time.monotonic() > deadline:
            return


def copy_output(url: str) -> bool:
    """Copy the output to stdout as it arrives, until its end. False if the command has not started yet.

    Raises NoAnswer if the connection is lost.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for chunk in _chunks(url):
        if chunk is None:
            return False
        sys.stdout.write(decoder.decode(chunk))
        sys.stdout.flush()
    return True


def read_output(url: str) -> str | None:
    """The complete output. None if the command has not started yet."""
    chunks = list(_chunks(url))
    return None if None in chunks else b"".join(chunk for chunk in chunks if chunk).decode(errors="replace")


def _chunks(url: str) -> Iterator[bytes | None]:
    """The output as it arrives. A single None if there is no output yet."""
    with streamed(url, headers={"Accept": "text/plain"}, timeout_s=LONGEST_S) as response:
        if response.status == 404:
            yield None
            return
        try:
            while response.status == 200 and (chunk := response.read1(65536)):
                yield chunk
        except (OSError, http.client.HTTPException) as error:
            raise _broken_off("the connection was lost") from error
        if response.status != 200:
            raise _broken_off(f"the answer was {response.status}")


def _broken_off(why: str) -> NoAnswer:
    return NoAnswer(
        "The release output is incomplete.",
        why=f"When reading it from the control plane, {why}. The release phase itself continues.",
        fix="`changeover releases` shows its result, and `changeover releases:output` its output.",
    )
