"""Compares extensions: a missing one is a difference, another version a note. Also compares their objects."""

from __future__ import annotations

from changeover.postgres.comparing.comparison import Difference, Part
from changeover.postgres.comparing.properties import compare_members
from changeover.postgres.comparing.sides import Side, together

EXTENSIONS = """
SELECT x.extname::text, x.extversion, n.nspname::text FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace
 WHERE x.extname <> ALL (%s)
"""


async def compare_extensions(source: Side, target: Side, *, skip_extensions: list[str]) -> Part:
    """Only extensions of the source count. A target may have more."""
    part = Part("extensions", how="names, versions and schemas")
    here, there = await together(*(_read(side, skip_extensions) for side in (source, target)))
    for name, (version, schema) in sorted(here.items()):
        title = f"extension {name}"
        if name not in there:
            part.differs(Difference(title, "is missing on the target"))
            continue
        part.compared += 1
        other_version, other_schema = there[name]
        if schema != other_schema:
            part.differs(Difference(title, f"is in schema {schema} on the source and {other_schema} on the target"))
        if version != other_version:
            part.notes.append(f"{title} is {version} on the source and {other_version} on the target")
    same = [name for name in here if there.get(name) == here[name]]
    compared = part.compared
    await compare_members(part, source, target, extensions=same)
    part.compared = compared
    part.notes += [f"extension {name} is on the target only" for name in sorted(there.keys() - here.keys())]
    return part


async def _read(side: Side, skip_extensions: list[str]) -> dict[str, tuple[str, str]]:
    rows = await side.rows(EXTENSIONS, [skip_extensions])
    return {name: (version, schema) for name, version, schema in rows}
