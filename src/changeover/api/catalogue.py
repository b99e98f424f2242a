"""The catalogue: services, plans, regions, stacks."""

from __future__ import annotations

from fastapi import APIRouter, Request

from changeover.api.desk import opened
from changeover.api.views import Json, named, plan_view
from changeover.platform.catalogue import DEFAULT_STACK, STACKS, Region, Service

router = APIRouter()
SINCE = "2026-01-01T00:00:00Z"


def service_view(service: Service) -> Json:
    return {
        "id": str(service.id),
        "name": service.name,
        "cli_plugin_name": "pg" if service.is_database else None,
        "created_at": SINCE,
        "human_name": service.human_name,
        "state": "ga",
        "supported_generations": [named("generation", "cedar")],
        "supports_multiple_installations": service.is_database,
        "supports_sharing": service.is_database,
        "updated_at": SINCE,
    }


def region_view(region: Region) -> Json:
    return {
        "id": str(region.id),
        "name": region.name,
        "country": region.country,
        "created_at": SINCE,
        "description": region.description,
        "locale": region.locale,
        "private_capable": region.private_capable,
        "provider": {"name": "amazon-web-services", "region": region.provider},
        "updated_at": SINCE,
    }


@router.get("/addon-services")
async def services(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [service_view(one) for one in scope.parts.catalogue.services]


@router.get("/addon-services/{key}")
async def service(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return service_view(scope.parts.catalogue.find_service(key))


@router.get("/addon-services/{key}/plans")
async def plans(request: Request, key: str) -> list[Json]:
    async with opened(request) as scope:
        found = scope.parts.catalogue
        return [plan_view(found, plan) for plan in found.plans_of(found.find_service(key))]


@router.get("/regions")
async def regions(request: Request) -> list[Json]:
    async with opened(request) as scope:
        return [region_view(region) for region in scope.parts.catalogue.regions]


@router.get("/regions/{key}")
async def region(request: Request, key: str) -> Json:
    async with opened(request) as scope:
        return region_view(scope.parts.catalogue.region(key))


@router.get("/stacks")
async def stacks(request: Request) -> list[Json]:
    async with opened(request):
        return [
            {
                **named("stack", name),
                "created_at": SINCE,
                "default": name == DEFAULT_STACK,
                "state": "public",
                "updated_at": SINCE,
            }
            for name in STACKS
        ]
