"""Our objects as Platform API objects. Always complete, because the CLI ignores what it doesn't need."""

from __future__ import annotations

from typing import Any

from fastapi import Request

from changeover.api.addresses import absolute
from changeover.api.moments import iso, maybe_iso
from changeover.platform.catalogue import Catalogue, Plan, stable_id
from changeover.platform.scope import Parts, Scope
from changeover.platform.things import Account, Addon, App, Attachment, Collaborator, Release, Space, Team

Json = dict[str, Any]


def named(kind: str, name: str) -> Json:
    """`{id, name}` of an entry of the catalogue."""
    return {"id": str(stable_id(kind, name)), "name": name}


def user_view(id_: object, email: str) -> Json:
    return {"id": str(id_), "email": email}


def app_view(parts: Parts, app: App) -> Json:
    team = {"id": str(app.team_id), "name": app.team_name} if app.team_id else None
    owner_email = f"{app.team_name}@herokumanager.com" if app.team_name else app.owner_email
    return {
        "id": str(app.id),
        "name": app.name,
        "acm": False,
        "archived_at": None,
        "base_image_name": None,
        "build_stack": named("stack", app.stack),
        "buildpack_provided_description": None,
        "buildpacks": [],
        "create_status": "complete",
        "created_at": iso(app.created_at),
        "current_build_architecture": [],
        "generation": "cedar",
        "git_url": f"https://git.localhost/{app.name}.git",
        "internal_routing": app.is_internally_routed,
        "locked": app.is_locked,
        "joined": True,
        "maintenance": app.is_in_maintenance,
        "organization": team,
        "owner": user_view(app.owner_id, owner_email),
        "process_tier": "production",
        "region": named("region", app.region),
        "released_at": maybe_iso(app.released_at),
        "repo_size": None,
        "slug_size": None,
        "space": {"id": str(app.space_id), "name": app.space_name, "shield": bool(app.space_is_shield)}
        if app.space_id
        else None,
        "stack": named("stack", app.stack),
        "team": team,
        "updated_at": iso(app.updated_at),
        "web_url": web_url(parts, app),
    }


def web_url(parts: Parts, app: App) -> str:
    port = f":{parts.router_port}" if parts.router_port else ""
    return f"http://{app.name}.localhost{port}/"


def price_view(plan: Plan) -> Json:
    return {"cents": plan.cents, "contract": False, "metered": False, "unit": "month"}


def plan_view(catalogue: Catalogue, plan: Plan) -> Json:
    service = catalogue.find_service(plan.service)
    estimated = " (price estimated)" if plan.is_price_estimated else ""
    return {
        "id": str(plan.id),
        "name": plan.full_name,
        "addon_service": {"id": str(service.id), "name": service.name},
        "compliance": ["PCI", "HIPAA"] if plan.tier.name == "shield" else None,
        "created_at": "2026-01-01T00:00:00Z",
        "default": plan.is_default,
        "description": f"{service.human_name} {plan.human_name}{estimated}",
        "human_name": plan.human_name,
        "installable_inside_private_network": True,
        "installable_outside_private_network": not plan.tier.is_private,
        "price": price_view(plan),
        "space_default": plan.is_private_default,
        "state": "ga",
        "updated_at": "2026-01-01T00:00:00Z",
        "visible": plan.is_offered,
    }


def addon_view(scope: Scope, addon: Addon, config_vars: list[str], *, provision_message: str | None = None) -> Json:
    catalogue = scope.parts.catalogue
    plan = catalogue.plan_of(addon.service, addon.plan)
    service = catalogue.find_service(addon.service)
    view: Json = {
        "id": str(addon.id),
        "name": addon.name,
        "actions": [],
        "addon_service": {"id": str(service.id), "name": service.name, "human_name": service.human_name, "state": "ga"},
        "app": {"id": str(addon.app_id), "name": addon.app_name},
        "billed_price": price_view(plan),
        "billing_entity": {"id": str(addon.app_id), "name": addon.app_name, "type": "app"},
        "config_vars": config_vars,
        "created_at": iso(addon.created_at),
        "plan": plan_view(catalogue, plan),
        "provider_id": str(addon.id),
        "state": addon.state,
        "updated_at": iso(addon.updated_at),
        "web_url": None,
    }
    if provision_message:
        view["provision_message"] = provision_message
    return view


def attachment_view(attachment: Attachment) -> Json:
    plan = f"{attachment.service}:{attachment.plan}"
    return {
        "id": str(attachment.id),
        "name": attachment.name,
        "namespace": attachment.namespace,
        "addon": {
            "id": str(attachment.addon_id),
            "name": attachment.addon_name,
            "app": {"id": str(attachment.addon_app_id), "name": attachment.addon_app_name},
            "plan": {"id": str(stable_id("plan", plan)), "name": plan},
        },
        "app": {"id": str(attachment.app_id), "name": attachment.app_name},
        "config_vars": attachment.config_vars,
        "created_at": iso(attachment.created_at),
        "log_input_url": None,
        "updated_at": iso(attachment.updated_at),
        "web_url": None,
    }


def release_view(request: Request, release: Release) -> Json:
    return {
        "id": str(release.id),
        "version": release.version,
        "addon_plan_names": release.addon_plan_names,
        "app": {"id": str(release.app_id), "name": release.app_name},
        "artifacts": [],
        "created_at": iso(release.created_at),
        "current": release.is_current,
        "description": release.description,
        "eligible_for_rollback": release.status == "succeeded",
        "failure": release.failure,
        "oci_image": None,
        "output_stream_url": absolute(request, f"changeover/v1/release-output/{release.output_key}")
        if release.output_key
        else None,
        "slug": {"id": str(release.slug_id)} if release.slug_id else None,
        "status": release.status,
        "updated_at": iso(release.updated_at),
        "user": user_view(release.account_id, release.email),
    }


def space_view(scope: Scope, space: Space) -> Json:
    region = scope.parts.catalogue.region(space.region)
    return {
        "id": str(space.id),
        "name": space.name,
        "cidr": space.cidr,
        "created_at": iso(space.created_at),
        "data_cidr": space.data_cidr,
        "generation": "cedar",
        "organization": {"name": space.team_name},
        "region": {"id": str(region.id), "name": region.name, "description": region.description},
        "shield": space.is_shield,
        "state": space.state,
        "team": {"id": str(space.team_id), "name": space.team_name},
        "updated_at": iso(space.updated_at),
    }


def team_view(team: Team) -> Json:
    """`enterprise` lets the official CLI use members instead of invitations."""
    return {
        "id": str(team.id),
        "name": team.name,
        "created_at": iso(team.created_at),
        "credit_card_collections": False,
        "default": False,
        "enterprise_account": None,
        "identity_provider": None,
        "membership_limit": None,
        "pipeline_cost_consent_at": None,
        "pipeline_cost_consent_user_email": None,
        "provisioned_licenses": False,
        "role": team.role if team.role != "viewer" else "collaborator",
        "type": "enterprise",
        "updated_at": iso(team.updated_at),
    }


def account_view(account: Account) -> Json:
    return {
        "id": str(account.id),
        "email": account.email,
        "acknowledged_msa": False,
        "acknowledged_msa_at": None,
        "allow_tracking": False,
        "beta": False,
        "country_of_residence": None,
        "created_at": iso(account.created_at),
        "default_organization": None,
        "default_team": None,
        "delinquent_at": None,
        "eco_dynos_enabled": False,
        "eco_dynos_shutdown_at": None,
        "federated": False,
        "identity_provider": None,
        "italian_customer_terms": None,
        "italian_partner_terms": None,
        "last_login": None,
        "mfa_enabled": False,
        "mfa_exemption": False,
        "mfa_exemption_reason": None,
        "mfa_experience": "legacy",
        "name": None,
        "pipeline_cost_consent_at": None,
        "sms_number": None,
        "suspended_at": None,
        "two_factor_authentication": False,
        "updated_at": iso(account.updated_at),
        "verified": True,
    }


def collaborator_view(app: App, collaborator: Collaborator) -> Json:
    return {
        "id": str(collaborator.id),
        "app": {"id": str(app.id), "name": app.name},
        "created_at": iso(collaborator.created_at),
        "permissions": [{"name": name, "description": name} for name in collaborator.permissions],
        "role": "admin" if collaborator.role == "owner" and app.team_id else collaborator.role,
        "updated_at": iso(collaborator.updated_at),
        "user": {**user_view(collaborator.account_id, collaborator.email), "federated": False},
    }
