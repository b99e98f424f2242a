"""The catalogue: services, plans, regions, stacks. Read from the data files beside this one. Limits are data, not code."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from importlib import resources
from typing import Any
from uuid import UUID

from changeover.engines.engine import Size
from changeover.errors import InvalidParams, NotFound

_NAMESPACE = uuid.UUID("8b6c7d0e-6c1f-4f5e-9f0e-3a0d1c2b4e5f")
STACKS = ("heroku-22", "heroku-24")
DEFAULT_STACK = "heroku-24"


def stable_id(*parts: str) -> UUID:
    """An id that is the same on every installation."""
    return uuid.uuid5(_NAMESPACE, "/".join(parts))


@dataclass(frozen=True)
class Tier:
    name: str
    can_follow: bool
    has_ha: bool
    is_shared: bool
    is_private: bool
    rollback: str | None

    @property
    def is_external(self) -> bool:
        """Whether it is for databases whose servers others run."""
        return self.name == "external"


@dataclass(frozen=True)
class Plan:
    """`cents` per month. `connections` is None if the limit is unknown."""

    service: str
    name: str
    human_name: str
    tier: Tier
    cents: int
    connections: int | None
    memory_gb: int | None
    storage_gb: int | None
    is_default: bool
    is_private_default: bool
    is_price_estimated: bool
    is_offered: bool
    """If False, add-ons with this plan exist, but it can't be chosen and is not listed."""

    @property
    def full_name(self) -> str:
        return f"{self.service}:{self.name}"

    @property
    def id(self) -> UUID:
        return stable_id("plan", self.full_name)

    @property
    def size(self) -> Size:
        return Size(
            max_connections=self.connections or 100, memory_mb=self.memory_gb * 1024 if self.memory_gb else None
        )


@dataclass(frozen=True)
class Service:
    """Databases have a server and give their apps a URL. Other services have neither."""

    name: str
    human_name: str
    default_plan: str
    default_private_plan: str
    is_database: bool

    @property
    def id(self) -> UUID:
        return stable_id("service", self.name)


@dataclass(frozen=True)
class Region:
    name: str
    description: str
    country: str
    locale: str
    provider: str
    private_capable: bool

    @property
    def id(self) -> UUID:
        return stable_id("region", self.name)


class Catalogue:
    """The plan and region files, by name."""

    def __init__(self) -> None:
        plans = _read("plans.json")
        regions = _read("regions.json")
        tiers = {name: Tier(name=name, **facts) for name, facts in plans["tiers"].items()}
        self.services = [Service(**service) for service in plans["services"]]
        [self.service] = [service for service in self.services if service.is_database]
        self._aliases: dict[str, str] = plans["aliases"]
        self.plans = [
            _plan(plan, self.find_service(plan.get("service", self.service.name)), tiers) for plan in plans["plans"]
        ]
        self.regions = [Region(**region) for region in regions["regions"]]
        self.default_region: str = regions["default"]
        self.default_private_region: str = regions["default_private"]

    def plan(self, full_name: str, *, in_space: bool = False) -> Plan:
        """By `service:plan`. A service alone means its default plan. Raises NotFound, InvalidParams (not offered)."""
        key, _, name = full_name.partition(":")
        service = next((one for one in self.services if key in (one.name, str(one.id))), None)
        if service is not None:
            default = service.default_private_plan if in_space else service.default_plan
            wanted = self._aliases.get(name, name) or default
            for plan in self.plans_of(service):
                if plan.name == wanted:
                    return plan
            if any((plan.service, plan.name) == (service.name, wanted) for plan in self.plans):
                raise InvalidParams(
                    f"A database of the plan {service.name}:{wanted} can't be created.",
                    why="This plan is for adopted databases.",
                    fix="Adopt one by its address: `changeover pg:adopt SOURCE -a APP`.",
                )
        raise NotFound(
            f'Couldn\'t find either the add-on service or the add-on plan of "{full_name}".',
            fix=f"`changeover addons:plans {(service or self.service).name}` lists the plans.",
            resource="plan",
        )

    def plans_of(self, service: Service) -> list[Plan]:
        """The plans that are offered."""
        return [plan for plan in self.plans if plan.service == service.name and plan.is_offered]

    def plan_of(self, service: str, name: str) -> Plan:
        """The plan of an existing add-on."""
        return next(plan for plan in self.plans if (plan.service, plan.name) == (service, name))

    def find_service(self, name_or_id: str) -> Service:
        """Raises NotFound."""
        for service in self.services:
            if name_or_id in (service.name, str(service.id)):
                return service
        raise NotFound(
            "Couldn't find that add-on service.",
            fix="`changeover addons:services` lists them.",
            resource="addon_service",
        )

    def region(self, name_or_id: str) -> Region:
        """Raises InvalidParams."""
        for region in self.regions:
            if name_or_id in (region.name, str(region.id)):
                return region
        raise InvalidParams(
            f"Unknown region: {name_or_id}.",
            why=f"The regions are: {', '.join(region.name for region in self.regions)}.",
            fix="Choose one of these.",
        )

    def stack(self, name: str) -> str:
        """Raises InvalidParams."""
        if name not in STACKS:
            raise InvalidParams(f"Unknown stack: {name}.", why=f"The stacks are: {', '.join(STACKS)}.")
        return name


def _plan(facts: dict[str, Any], service: Service, tiers: dict[str, Tier]) -> Plan:
    return Plan(
        service=service.name,
        tier=tiers[facts["tier"]],
        is_default=facts["name"] == service.default_plan,
        is_private_default=facts["name"] == service.default_private_plan,
        is_price_estimated=facts.get("is_price_estimated", False),
        is_offered=facts.get("is_offered", True),
        **{k: facts[k] for k in ("name", "human_name", "cents", "connections", "memory_gb", "storage_gb")},
    )


def _read(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("changeover.platform").joinpath(file).read_text())
    return found
