"""Normalizes text that pg_dump prints differently for two major versions although it means the same. Each rule says why."""

from __future__ import annotations

import re

from changeover.postgres.comparing.dumps import Thing

NAMED_NOT_NULL = re.compile(r"""CONSTRAINT (?:\w+|"(?:[^"]|"")+") NOT NULL""")
RANGES_HAVE_MULTIRANGES_SINCE, MAINTAIN_IS_A_RIGHT_SINCE, NOT_NULL_IS_NAMED_SINCE = 14, 17, 18
RIGHTS_OF_A_TABLE = re.compile(
    r"(?P<verb>GRANT|REVOKE) (?P<rights>[A-Z,]+) (?P<rest>ON TABLES? .* (?:TO|FROM) (?P<role>.+);)", re.DOTALL
)
STATEMENT_ENDS = re.compile(r"(?<=;)\n(?=GRANT |REVOKE |SET |RESET |ALTER |-- Owner: )")
PUBLIC_BELONGS_TO_OWNER_SINCE = 15


def belongs_to_the_server(thing: Thing, majors: tuple[int, int]) -> bool:
    """Extensions are compared separately. The owner and the rights of schema public changed in version 15."""
    if thing.type == "EXTENSION" or (thing.type == "COMMENT" and thing.name.startswith("EXTENSION ")):
        return True
    if min(majors) >= PUBLIC_BELONGS_TO_OWNER_SINCE or max(majors) < PUBLIC_BELONGS_TO_OWNER_SINCE:
        return False
    return thing.type in ("SCHEMA", "ACL") and thing.name in ("public", "SCHEMA public")


def is_about_catalogs(thing: Thing) -> bool:
    """Rights on what PostgreSQL itself has. Providers give and take some on each of their servers."""
    return thing.type == "ACL" and thing.schema in ("pg_catalog", "information_schema")


def normalised(thing: Thing, text: str) -> str:
    """Without text that has no meaning on any version."""
    said = "\n".join(line.rstrip() for line in text.splitlines() if line.strip())
    if thing.type in ("ACL", "DEFAULT ACL"):
        return "\n".join(sorted(STATEMENT_ENDS.split(said)))  # grants are printed in the order they were made
    return said


def without_newer_words(thing: Thing, text: str, majors: tuple[int, int]) -> str:
    """Without what only the newer of the two versions has and created implicitly."""
    older, newer = sorted(majors)
    if older < RANGES_HAVE_MULTIRANGES_SINCE <= newer and thing.type == "TYPE":
        return "\n".join(line.rstrip(",") for line in text.splitlines() if "multirange_type_name = " not in line)
    if older < MAINTAIN_IS_A_RIGHT_SINCE <= newer and thing.type in ("ACL", "DEFAULT ACL"):
        return _without_the_owners_maintain(text)
    if older < NOT_NULL_IS_NAMED_SINCE <= newer and thing.type.endswith("TABLE"):
        # a truncated name looks like a user's own
        return NAMED_NOT_NULL.sub("NOT NULL", text)
    return text


def _without_the_owners_maintain(text: str) -> str:
    """Before version 17, owners could always do this without a separate right. Only owners have rights revoked."""
    statements = [(one, RIGHTS_OF_A_TABLE.search(one)) for one in STATEMENT_ENDS.split(text)]
    owners = {found["role"] for _, found in statements if found and found["verb"] == "REVOKE"}
    kept = list[str]()
    for one, found in statements:
        if found is None or found["role"].removesuffix(" WITH GRANT OPTION") not in owners:
            kept.append(one)
        elif found["verb"] == "REVOKE":  # all of them, however many the version has
            kept.append(f"REVOKE ALL {found['rest']}")
        elif rights := [right for right in found["rights"].split(",") if right != "MAINTAIN"]:
            kept.append(f"GRANT {','.join(rights)} {found['rest']}")
    return "\n".join(sorted(kept))


def same_but_for_order(thing: Thing, source: str, target: str) -> bool:
    """Whether two tables have the same lines in a different order."""
    if thing.type not in ("TABLE", "FOREIGN TABLE", "TYPE"):
        return False
    return sorted(line.strip().rstrip(",") for line in source.splitlines()) == sorted(
        line.strip().rstrip(",") for line in target.splitlines()
    )
