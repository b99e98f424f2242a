"""What can be had: services, plans, regions, stacks. Read from the data files beside this one; limits are data, not code."""

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
    """The same id for the same catalogue entry, on every installation."""
    return uuid.uuid5(_NAMESPACE, "/".join(parts))


@dataclass(frozen=True)
class Tier:
    name: str
    can_follow: bool
    has_ha: bool
    is_shared: bool
    is_private: bool
    rollback: str | None


@dataclass(frozen=True)
class Plan:
    """`cents` a month; `connections` None where nobody knows the limit."""

    service: str
    name: str
    human_name: str
    tier: Tier
    cents: int
    connections: int | None
    memory_gb: int | None
    storage_gb: int | None
    is_default: bool
    is_price_estimated: bool

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
    name: str
    human_name: str

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
    """The plan and region files, looked up by name."""

    def __init__(self) -> None:
        plans = _read("plans.json")
        regions = _read("regions.json")
        tiers = {name: Tier(name=name, **facts) for name, facts in plans["tiers"].items()}
        self.service = Service(**plans["service"])
        self._aliases: dict[str, str] = plans["aliases"]
        self.plans = [
            Plan(
                service=self.service.name,
                tier=tiers[plan["tier"]],
                is_default=plan["name"] == plans["default_plan"],
                is_price_estimated=plan.get("is_price_estimated", False),
                **{k: plan[k] for k in ("name", "human_name", "cents", "connections", "memory_gb", "storage_gb")},
            )
            for plan in plans["plans"]
        ]
        self.default_private_plan: str = plans["default_private_plan"]
        self.regions = [Region(**region) for region in regions["regions"]]
        self.default_region: str = regions["default"]
        self.default_private_region: str = regions["default_private"]

    def plan(self, full_name: str, *, in_space: bool = False) -> Plan:
        """By `service:plan`; a service alone means its default plan. Raises NotFound."""
        service, _, name = full_name.partition(":")
        if service in (self.service.name, str(self.service.id)):
            wanted = self._aliases.get(name, name)
            for plan in self.plans:
                if plan.name == wanted or (
                    not wanted and (plan.name == self.default_private_plan if in_space else plan.is_default)
                ):
                    return plan
        raise NotFound(
            f'Couldn\'t find either the add-on service or the add-on plan of "{full_name}".',
            fix=f"`changeover addons:plans {self.service.name}` lists what there is.",
            resource="plan",
        )

    def plan_of(self, service: str, name: str) -> Plan:
        """The plan of an add-on that exists."""
        return self.plan(f"{service}:{name}")

    def find_service(self, name_or_id: str) -> Service:
        """Raises NotFound."""
        if name_or_id in (self.service.name, str(self.service.id)):
            return self.service
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
            f"Region {name_or_id} isn't known.",
            why=f"There are: {', '.join(region.name for region in self.regions)}.",
            fix="Choose one of these.",
        )

    def stack(self, name: str) -> str:
        """Raises InvalidParams."""
        if name not in STACKS:
            raise InvalidParams(f"Stack {name} isn't known.", why=f"There are: {', '.join(STACKS)}.")
        return name


def _read(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files("changeover.platform").joinpath(file).read_text())
    return found
