"""Compares the database's properties, roles, publications and subscriptions, and facts that a dump lacks."""

from __future__ import annotations

from changeover.postgres.comparing import fact_queries
from changeover.postgres.comparing.comparison import Part
from changeover.postgres.comparing.facts import Facts, compare_facts, compare_relation_facts, read_facts
from changeover.postgres.comparing.sides import Side, together
from changeover.postgres.excluding import Excluded


async def compare_properties(
    source: Side, target: Side, *, skip_schemas: list[str], compares_owners: bool, decides: bool
) -> Part:
    """If not `decides`, a difference is a note: a migration keeps the target's value or reports it separately."""
    part = Part("database", how="properties, roles, publications")
    queries = [*fact_queries.DATABASE, *fact_queries.REPLICATION, *(fact_queries.OWNERSHIP if compares_owners else ())]
    here, there = await together(*(read_facts(side, queries, skip_schemas=skip_schemas) for side in (source, target)))
    compare_facts(part, here, there, decides=decides)
    if compares_owners:
        used = set[str]().union(*await together(_used_roles(source), _used_roles(target)))
        here, there = await together(*(read_facts(side, fact_queries.ROLES) for side in (source, target)))
        compare_facts(part, _of(here, used), _of(there, used), decides=decides)
    return part


async def _used_roles(side: Side) -> set[str]:
    return {title for (title,) in await side.rows(fact_queries.USED_ROLES)}


def _of(facts: Facts, titles: set[str]) -> Facts:
    return {(title, fact): value for (title, fact), value in facts.items() if title in titles}


async def compare_relations(
    part: Part, source: Side, target: Side, *, skip_schemas: list[str], decides: bool, excluded: Excluded
) -> None:
    """Adds to the schema's part, after the definitions were compared."""
    here, there = await together(
        *(read_facts(side, fact_queries.RELATIONS, skip_schemas=skip_schemas) for side in (source, target))
    )
    out = {f"table {schema}.{name}" for schema, name in excluded.tables}
    here, there = ({key: value for key, value in facts.items() if key[0] not in out} for facts in (here, there))
    compare_relation_facts(part, here, there, decides=decides)


async def compare_members(part: Part, source: Side, target: Side, *, extensions: list[str]) -> None:
    """Adds to the extensions' part: the objects of extensions that both sides have in the same version."""
    here, there = await together(
        *(read_facts(side, fact_queries.MEMBERS, extensions=extensions) for side in (source, target))
    )
    compare_facts(part, here, there)
