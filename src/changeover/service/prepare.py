"""Prepares everything before a process serves: starts and migrates the state, creates keys and operator. Repeatable.

The router starts with the first deploy. Whether it can listen is checked here, where the user sees the error.
"""

from __future__ import annotations

import asyncio

from changeover.changeovers.adopting import adopt_changeovers
from changeover.hosts.users import ensure_system_users
from changeover.platform.accounts import ensure_operator
from changeover.platform.secrets import Cipher
from changeover.runs.job_tables import install_job_tables
from changeover.runtime.router import CaddyRouter
from changeover.service.composition import connect_state, router_places
from changeover.service.places import Places
from changeover.service.state import State
from changeover.service.telling import reported
from changeover.settings import Settings
from changeover.store.migrate import migrate


def prepared(places: Places, settings: Settings, router_listen: str) -> int:
    """As a process of its own; its exit code."""
    return reported("prepare", lambda: asyncio.run(prepare(places, settings, router_listen=router_listen)))


async def prepare(places: Places, settings: Settings, *, router_listen: str) -> None:
    """Raises the errors of starting the state, and BadSetting or PortTaken for the router's address."""
    places.make()
    await CaddyRouter(router_places(places)).check(router_listen)
    await ensure_system_users()
    Cipher.from_file(places.keys)
    state = State(places, settings)
    await state.start()
    migrate(state.conninfo)
    install_job_tables(state.conninfo)
    async with await connect_state(state) as db, db.transaction():
        await adopt_changeovers(db)
        await ensure_operator(db, email=settings.operator_email, home=places.home)
