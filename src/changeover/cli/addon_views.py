"""Read-only commands for add-ons: lists, details, services, plans, documentation, waiting."""

from __future__ import annotations

import webbrowser
from datetime import UTC, datetime
from itertools import groupby

import click

from changeover.cli.resolve import Record, find_addon
from changeover.cli.session import Session, command, may_take_app
from changeover.cli.terminal import Column, header, is_interactive, paint, rows, say, table
from changeover.cli.waiting import wait_for_addon
from changeover.client import segment
from changeover.errors import ChangeoverError

STATES = {
    "provisioned": "created",
    "provisioning": "creating",
    "deprovisioning": "destroying",
    "deprovisioned": "errored",
}
HOURS_A_MONTH = 720


def price(of: Record | None, *, hourly: bool) -> str:
    """`~$2.083/hour` or `$1500/month`; `free`, `contract`, `metered`; empty without a price."""
    if not of:
        return ""
    for word in ("contract", "metered"):
        if of.get(word):
            return word
    cents = of.get("cents") or 0
    if cents == 0:
        return "free"
    if hourly:
        return f"~${cents / 100 / HOURS_A_MONTH:.3f}/hour"
    return f"${cents // 100 if cents % 100 == 0 else f'{cents / 100:.2f}'}/{of.get('unit', 'month')}"


def price_line(of: Record | None) -> str:
    """Both prices: `~$2.083/hour (max $1500/month)`."""
    an_hour, a_month = price(of, hourly=True), price(of, hourly=False)
    return f"{an_hour} (max {a_month})" if an_hour.startswith("~") else an_hour


def billed(addon: Record) -> Record | None:
    """The price that the owner pays, which may be older than the plan's."""
    of_plan: Record | None = addon["plan"].get("price")
    own = addon.get("billed_price")
    return {**(of_plan or {}), "cents": own.get("cents"), "contract": own.get("contract")} if own else of_plan


@command()
@may_take_app
@click.option("--all", "-A", "of_all", is_flag=True, help="Show add-ons of all apps.")
@click.option("--no-wrap", is_flag=True, hidden=True)
def index(session: Session, *, app: str | None, of_all: bool, no_wrap: bool) -> None:
    """List add-ons and their attachments."""
    del no_wrap  # our tables never wrap
    if of_all or not app:
        addons = session.client.get("/addons")
        session.tell(addons, lambda: _show_all(addons))
    else:
        addons = _of_app(session, app)
        session.tell(addons, lambda: _show_of_app(addons, app))


def _show_all(addons: list[Record]) -> None:
    if not addons:
        say("No add-ons.")
        return
    columns = [
        Column("Owning App", lambda addon: paint("app", addon["app"]["name"])),
        Column("Add-on", lambda addon: paint("addon", addon["name"])),
        Column("Plan", lambda addon: addon["plan"]["name"]),
        Column("Price", lambda addon: price(billed(addon), hourly=True)),
        Column("Max Price", lambda addon: price(billed(addon), hourly=False)),
        Column("State", lambda addon: STATES.get(addon["state"], "")),
    ]
    table(sorted(addons, key=lambda addon: (addon["app"]["name"], addon["plan"]["name"])), columns)


def _of_app(session: Session, app: str) -> list[Record]:
    """The app's own add-ons and attached ones of other apps, each with its `attachments`."""
    addons = session.client.get(f"/apps/{segment(app)}/addons")
    everywhere = sorted(session.client.get("/addon-attachments"), key=lambda each: str(each["addon"]["id"]))
    attachments = {key: list(group) for key, group in groupby(everywhere, key=lambda each: str(each["addon"]["id"]))}
    found = [{**addon, "attachments": attachments.pop(addon["id"], [])} for addon in addons]
    for foreign in attachments.values():
        if any(each["app"]["name"] == app for each in foreign):
            addon = foreign[0]["addon"]
            service = str(addon.get("plan", {}).get("name", "?")).partition(":")[0]
            found.append({"plan": {}, "addon_service": {"name": service}, "state": "", **addon, "attachments": foreign})
    return found


def _show_of_app(addons: list[Record], app: str) -> None:
    if not addons:
        say(f"No add-ons for app {app}.")
        return

    def cost(addon: Record, *, hourly: bool) -> str:
        owner = addon["app"]["name"]
        return price(billed(addon), hourly=hourly) if owner == app else f"(billed to {paint('app', owner)} app)"

    columns = [
        Column("Add-on", lambda addon: _with_attachments(addon, app)),
        Column("Plan", lambda addon: str(addon["plan"].get("name", "?")).partition(":")[2] or "?"),
        Column("Price", lambda addon: cost(addon, hourly=True)),
        Column("Max Price", lambda addon: cost(addon, hourly=False)),
        Column("State", lambda addon: STATES.get(addon["state"], "")),
    ]
    say()
    foreign_last = sorted(
        addons, key=lambda addon: (addon["app"]["name"] != app, addon["plan"].get("name", ""), addon["name"])
    )
    table(foreign_last, columns)
    say(
        f"The table above shows add-ons and the attachments to the current app ({paint('app', app)}) or other apps.\n  "
    )


def _with_attachments(addon: Record, app: str) -> str:
    own_first = sorted(
        addon["attachments"], key=lambda each: (each["app"]["name"] != app, each["app"]["name"], each["name"])
    )
    lines = attachment_lines(own_first, app)
    return "\n".join([f"{addon['addon_service']['name']} ({paint('addon', addon['name'])})", *lines]) + "\n"


def attachment_lines(attachments: list[Record], app: str) -> list[str]:
    """`├─ as DATABASE` for each attachment, with the app's name if it is not `app`."""
    lines = []
    for attachment in attachments:
        owner = attachment["app"]["name"]
        branch = "└─" if attachment is attachments[-1] else "├─"
        on = f" {paint('quiet', 'on')} {paint('app', owner)} app" if owner != app else ""
        lines.append(f"{branch} as {paint('attachment', attachment['name'])}{on}")
    return lines


@command()
@click.argument("name", metavar="ADDON")
@may_take_app
def info(session: Session, *, name: str, app: str | None) -> None:
    """Show details of an add-on."""
    addon = find_addon(session.client, name, app)
    attachments = session.client.get(f"/addons/{addon['id']}/addon-attachments")
    session.tell({**addon, "attachments": attachments}, lambda: _show(addon, attachments))


def _show(addon: Record, attachments: list[Record]) -> None:
    header(paint("addon", addon["name"]))
    rows(
        {
            "Plan": addon["plan"]["name"],
            "Price": price(billed(addon), hourly=True),
            "Max Price": price(billed(addon), hourly=False),
            "Attachments": sorted(f"{each['app']['name']}::{each['name']}" for each in attachments),
            "Owning app": paint("app", addon["app"]["name"]),
            "Installed at": _long_date(addon["created_at"]),
            "State": STATES.get(addon["state"], ""),
        }
    )


def _long_date(iso: str) -> str:
    moment = datetime.fromisoformat(iso).astimezone(UTC)
    return moment.strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)")


@command()
@click.argument("name", metavar="[ADDON]", required=False)
@may_take_app
@click.option("--wait-interval", type=float, default=1.0, show_default=True, help="Seconds between checks.")
def wait(session: Session, *, name: str | None, app: str | None, wait_interval: float) -> None:
    """Wait until add-ons are created or destroyed."""
    client = session.client
    everywhere = f"/apps/{segment(app)}/addons" if app else "/addons"
    waited = []
    for addon in [find_addon(client, name, app)] if name else client.get(everywhere):
        if addon["state"] == "deprovisioning":
            waited.append(
                wait_for_addon(client, addon, verb="Destroying", during="deprovisioning", every_s=wait_interval)
            )
        elif addon["state"] == "provisioning":
            waited.append(made := wait_for_addon(client, addon, every_s=wait_interval))
            if made.get("config_vars") and not session.wants_json:
                say(f"Created {paint('addon', made['name'])} as {', '.join(made['config_vars'])}")
    session.tell(waited, lambda: None)


@command()
@click.argument("service", metavar="SERVICE")
def plans(session: Session, *, service: str) -> None:
    """List the plans and prices of a service."""
    found = session.client.get(f"/addon-services/{segment(service)}/plans")
    found.sort(key=lambda plan: (bool(plan["price"].get("contract")), plan["price"]["cents"]))
    columns = [
        Column("", lambda plan: "default" if plan.get("default") else ""),
        Column("Slug", lambda plan: plan["name"]),
        Column("Name", lambda plan: plan["human_name"]),
        Column("Price", lambda plan: price(plan["price"], hourly=True)),
        Column("Max Price", lambda plan: price(plan["price"], hourly=False)),
    ]
    session.tell(found, lambda: table(found, columns))


@command()
def services(session: Session) -> None:
    """List the available add-on services."""
    found = session.client.get("/addon-services")

    def show() -> None:
        columns = [
            Column("Slug", lambda service: service["name"]),
            Column("Name", lambda service: service["human_name"]),
            Column("State", lambda service: service["state"]),
        ]
        table(found, columns)
        say(f"\nSee plans with {paint('code', 'changeover addons:plans SERVICE')}")

    session.tell(found, show)


@command()
@click.argument("name", metavar="ADDON|SERVICE")
@may_take_app
@click.option("--show-url", is_flag=True, help="Print the URL instead of opening it.")
def docs(session: Session, *, name: str, app: str | None, show_url: bool) -> None:
    """Open a service's documentation in the browser. Without a terminal, print its URL."""
    slug = name.partition(":")[0]
    try:
        service = session.client.get(f"/addon-services/{segment(slug)}")
    except ChangeoverError as error:
        if error.id != "not_found":
            raise
        service = find_addon(session.client, slug, app)["addon_service"]
    url = f"https://devcenter.heroku.com/articles/{service['name']}"

    def show() -> None:
        if show_url or not is_interactive():
            say(url)
            return
        say(f"Opening {paint('info', url)}...")
        webbrowser.open(url)

    session.tell({"url": url}, show)
