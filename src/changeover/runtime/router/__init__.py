"""The router: forwards requests for an app's hostname to its web dynos, or answers with an error page.

`router.py` is the interface and `caddy.py` implements it with Caddy. `access_log.py` turns Caddy's log into router log lines.
"""

from changeover.runtime.router.access_log import follow_access_log
from changeover.runtime.router.caddy import CaddyRouter
from changeover.runtime.router.fetching import fetch_page
from changeover.runtime.router.places import RouterPlaces
from changeover.runtime.router.router import Address, Router, RouterHealth, Site

__all__ = [
    "Address",
    "CaddyRouter",
    "Router",
    "RouterHealth",
    "RouterPlaces",
    "Site",
    "fetch_page",
    "follow_access_log",
]
