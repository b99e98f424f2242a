"""Creates the application: all routes, behind admission and error handling."""

from __future__ import annotations

from fastapi import Depends, FastAPI

from changeover.api import (
    access,
    account,
    addons,
    adoption,
    apps,
    attachments,
    audit,
    authorizations,
    catalogue,
    changeovers,
    checks,
    config_vars,
    credentials,
    databases,
    deploys,
    health,
    logs,
    migrations,
    ours,
    pooling,
    processes,
    releases,
    scheduler,
    spaces,
    teams,
    transfers,
)
from changeover.api.admission import Admission
from changeover.api.described import describe_bodies
from changeover.api.edge import Edge
from changeover.api.failures import EXPECTED, failure_response
from changeover.api.parameters import require_known_query
from changeover.api.rendezvous import Rendezvous
from changeover.api.rules import require_rules
from changeover.platform.desk import Desk
from changeover.platform.health import HealthProbe

ROUTERS = (
    health, account, authorizations, apps, access, config_vars, releases, processes, addons, attachments,
    catalogue, spaces, teams, databases, credentials, adoption, checks, ours, deploys, logs, changeovers, scheduler, pooling,
    migrations, transfers, audit,
)  # fmt: skip


def create_app(desk: Desk, rendezvous: Rendezvous, health_probe: HealthProbe) -> FastAPI:
    """The complete HTTP application for one desk."""
    app = FastAPI(title="changeover", openapi_url="/changeover/v1/openapi.json", docs_url=None, redoc_url=None,
                  redirect_slashes=False)  # fmt: skip
    app.state.desk = desk
    app.state.rendezvous = rendezvous
    app.state.health = health_probe
    describe_bodies(module.router for module in ROUTERS)
    for module in ROUTERS:
        app.include_router(module.router, dependencies=[Depends(require_known_query)])
    require_rules(app)
    for kind in EXPECTED:
        app.add_exception_handler(kind, failure_response)
    app.add_middleware(Admission, check=desk.check_token)
    app.add_middleware(Edge)
    return app
