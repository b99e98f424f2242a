"""Names that we generate or accept: apps, add-ons, attachments, servers."""

from __future__ import annotations

import re
import secrets

from changeover.errors import InvalidParams

COLORS = (
    "AMBER AQUA BLACK BLUE BRONZE BROWN CERULEAN CHARCOAL COBALT COPPER CRIMSON CYAN GOLD GRAY GREEN IVORY JADE MAGENTA "
    "MAROON MAUVE NAVY OLIVE ONYX ORANGE PINK PUCE PURPLE RED ROSE SILVER TEAL VIOLET WHITE YELLOW"
).split()
SHAPES = (
    "acute adjacent amorphous angular asymmetrical clean colorful concave conical contoured convex corrugated crystalline "
    "cubed cubic curved cylindrical deep defined dimensional elliptical encircled encrusted fitted flat flexible fluffy "
    "graceful horizontal infinite lively metric objective octagonal opaque parallel perpendicular polished pointy "
    "polyhedral rectangular regular reticulated rigid round rugged shallow shaped sharp silhouetted sinuous slippery "
    "smooth solid spherical square striped sunny symmetrical tapered tetrahedral transparent trapezoidal triangular "
    "vertical"
).split()
MOODS = "calm bold brave bright clear cool damp deep fair fast gentle glad keen kind lucid mild pure quiet swift warm".split()
PLACES = "bay brook cliff cove delta dune field fjord forest glade grove hill island lake meadow peak reef river shore".split()

APP_NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]")
ADDON_NAME = re.compile(r"[a-z][a-z0-9-]{2,61}")
VAR_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
TEAM_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
SPACE_NAME = re.compile(r"(?=.{3,60}\Z)[a-z0-9](?:[a-z0-9]|-(?!-))+[a-z0-9]")


def new_app_name() -> str:
    return f"{secrets.choice(MOODS)}-{secrets.choice(PLACES)}-{secrets.randbelow(90000) + 10000}"


def new_addon_name(service: str) -> str:
    """`postgresql-shaped-12345`."""
    return f"{service.removeprefix('heroku-')}-{secrets.choice(SHAPES)}-{secrets.randbelow(90000) + 10000}"


def new_server_name() -> str:
    return "s" + secrets.token_hex(4)


def new_pooler_name() -> str:
    return "p" + secrets.token_hex(4)


def free_attachment_name(taken: set[str], *, may_be_default: bool) -> str:
    """`DATABASE` if free and allowed, else a free color. When no color is free, a numbered one."""
    if may_be_default and "DATABASE" not in taken:
        return "DATABASE"
    colors = [f"HEROKU_POSTGRESQL_{color}" for color in COLORS]
    free = [name for name in colors if name not in taken]
    if free:
        return secrets.choice(free)
    number = 2
    while f"{colors[0]}_{number}" in taken:
        number += 1
    return f"{colors[0]}_{number}"


def checked(kind: str, name: str, pattern: re.Pattern[str], rule: str) -> str:
    """The name. Raises InvalidParams with the rule."""
    if not pattern.fullmatch(name):
        raise InvalidParams(f"{name!r} can't be the name of {kind}.", why=rule, fix="Choose another name.")
    return name


def checked_team_name(name: str) -> str:
    return checked(
        "a team", name, TEAM_NAME,
        "Use 1 to 100 letters, digits, dots, dashes and underscores, starting and ending with a letter or digit.",
    )  # fmt: skip


def checked_app_name(name: str) -> str:
    return checked(
        "an app", name, APP_NAME,
        "Use 3 to 30 lower-case letters, digits and dashes, starting with a letter and not ending with a dash.",
    )  # fmt: skip


def checked_addon_name(name: str) -> str:
    return checked(
        "an add-on", name, ADDON_NAME,
        "Use 3 to 62 lower-case letters, digits and dashes, starting with a letter.",
    )  # fmt: skip


def checked_attachment_name(name: str) -> str:
    """In upper case, like config vars."""
    return checked(
        "an attachment", name, VAR_NAME, "Use letters, digits and underscores, not starting with a digit."
    ).upper()


def checked_space_name(name: str) -> str:
    return checked(
        "a space",
        name,
        SPACE_NAME,
        "Use at least 3 lower-case letters, digits and single dashes, not starting or ending with a dash.",
    )
