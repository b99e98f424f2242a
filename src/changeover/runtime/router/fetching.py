"""Fetches an app's page once from MAINTENANCE_PAGE_URL or ERROR_PAGE_URL, and stores it.

So it is available when the app is not, and a slow web server delays nothing. Callers decide what to show if this fails: the
default page.
"""

from __future__ import annotations

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from functools import partial
from urllib.parse import urlsplit

from changeover.errors import ChangeoverError, PageNotFetched
from changeover.hosts.network import Reach
from changeover.hosts.threads import wait_elsewhere
from changeover.hosts.web import open_url

LONGEST_S = 5.0
LARGEST_BYTES = 1_000_000


async def fetch_page(
    url: str, reach: Reach, *, timeout_s: float = LONGEST_S, largest_bytes: int = LARGEST_BYTES
) -> bytes:
    """The page as UTF-8. Raises PageNotFetched with the reason, and the URL without secrets."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in ("http", "https") and bool(parts.hostname)
        shown = f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:
        is_one, shown = False, "the given address"
    if not is_one:
        raise PageNotFetched(shown or "the given address", why="The URL must begin with https://.")
    try:
        async with asyncio.timeout(timeout_s):
            return await wait_elsewhere(partial(_fetch, url, reach, time.monotonic() + timeout_s, largest_bytes))
    except TimeoutError:
        raise PageNotFetched(shown, why=f"It took longer than {timeout_s:g} seconds.") from None
    except _TooLarge:
        raise PageNotFetched(shown, why=f"It is larger than {largest_bytes:,} bytes.") from None
    except urllib.error.HTTPError as refused:
        refused.close()
        raise PageNotFetched(shown, why=f"The answer was {refused.code} {refused.reason}.") from None
    except ChangeoverError as refused:
        raise PageNotFetched(shown, why=f"{refused.what} {refused.why}") from None
    except (OSError, ValueError, http.client.HTTPException) as failed:
        reason = failed.reason if isinstance(failed, urllib.error.URLError) else failed
        raise PageNotFetched(shown, why=f"{reason or type(failed).__name__}.") from None


class _TooLarge(Exception):
    pass


def _fetch(url: str, reach: Reach, deadline: float, largest_bytes: int) -> bytes:
    """Checks the deadline between reads, so a slow server blocks this thread at most for one read."""
    request = urllib.request.Request(url, headers={"User-Agent": "changeover", "Accept": "text/html"})  # noqa: S310
    with open_url(request, reach, timeout_s=max(0.1, deadline - time.monotonic())) as answer:
        page = bytearray()
        while chunk := answer.read1(65536):
            page += chunk
            if len(page) > largest_bytes:
                raise _TooLarge
            if time.monotonic() > deadline:
                raise TimeoutError
        charset = answer.headers.get_content_charset("utf-8")
    try:
        return bytes(page).decode(charset, errors="replace").encode()
    except LookupError:
        return bytes(page)
