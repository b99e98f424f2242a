"""What has to be true before anything serves: the state runs and is migrated, keys and operator exist. Repeatable.

The router comes with the first deploy; that it will be able to listen is found out here, where somebody reads the answer.
"""

from __future__ import annotations

from changeover.changeovers.adopting import adopt_changeovers
from changeover.hosts.users import ensure_system_users
from changeover.platform.accounts import ensure_operator
from changeover.platform.secrets import Cipher
from changeover.runs.job_tables import install_job_tables
from changeover.runtime.router import CaddyRouter
from changeover.service.composition import connect_state, router_places
from changeover.service.places import Places
from changeover.service.state import State
from changeover.settings import Settings
from changeover.store.migrate import migrate


async def prepare(places: Places, settings: Settings, *, router_listen: str) -> None:
    """Raises what keeps the state from starting, and BadSetting or PortTaken for where the router should listen."""
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
