"""The router: who asks for an app's hostname reaches its web dynos, or a page that says why not.

`router.py` is the contract; `caddy.py` keeps it with Caddy. What the router saw becomes log lines in `access_log.py`.
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
