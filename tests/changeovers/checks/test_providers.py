"""Each provider imitated by what gives it away: roles, settings, extensions, schemas, a host's name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from tests.changeovers.checks.fix_grounds import Pair, asked

from changeover.changeovers.checks import Checked, check, traits_of
from changeover.changeovers.checks.asking import opened
from changeover.changeovers.checks.providers import TRAITS, Signs, Traits, provider_of
from changeover.changeovers.checks.reporting import report
from changeover.postgres.location import Location


@dataclass(frozen=True)
class Imitation:
    """What a server is made to look like, and what must be seen in it."""

    name: str
    because: str
    roles: tuple[str, ...] = ()
    setting: str = ""
    extension: str = ""
    schema: str = ""
    host: str = ""
    database: str = ""
    keeps_owners: bool = True


IMITATIONS = [
    Imitation("rds", "role rdsadmin, extension rds_tools", ("rdsadmin", "rds_superuser", "rdstopmgr"),
              extension="rds_tools", database="rdsadmin"),
    Imitation("rds", "setting rds.force_ssl, database rdsadmin", setting="rds.force_ssl", database="rdsadmin"),
    Imitation("rds", "host shop.abc.eu-west-1.rds.amazonaws.com", host="shop.abc.eu-west-1.rds.amazonaws.com"),
    Imitation("aurora", "host shop.cluster-ro-abc.eu-west-1.rds.amazonaws.com",
              host="shop.cluster-ro-abc.eu-west-1.rds.amazonaws.com"),
    Imitation("cloudsql", "role cloudsqladmin, database cloudsqladmin", ("cloudsqladmin", "cloudsqlsuperuser"),
              database="cloudsqladmin"),
    Imitation("cloudsql", "role cloudsqlsuperuser, setting cloudsql.logical_decoding", ("cloudsqlsuperuser",),
              setting="cloudsql.logical_decoding"),
    Imitation("alloydb", "setting alloydb.logical_decoding, schema google_ml", setting="alloydb.logical_decoding",
              schema="google_ml"),
    Imitation("azure", "role azure_pg_admin, extension azure", ("azure_pg_admin", "azuresu"), extension="azure"),
    Imitation("azure", "setting azure.extensions, extension pgaadauth", setting="azure.extensions", extension="pgaadauth"),
    Imitation("linode", "role akmadmin, extension aiven_extras", ("akmadmin", "_aiven"), extension="aiven_extras"),
    Imitation("linode", "host lin-1.g2a.akamaidb.net", host="lin-1.g2a.akamaidb.net"),
    Imitation("upcloud", "role upadmin, extension aiven_extras", ("upadmin",), extension="aiven_extras"),
    Imitation("render", "host dpg-abc123-a.frankfurt-postgres.render.com",
              host="dpg-abc123-a.frankfurt-postgres.render.com", keeps_owners=False),
    Imitation("digitalocean", "role doadmin, extension aiven_extras", ("doadmin", "_dodb"), extension="aiven_extras"),
    Imitation("vultr", "role vultradmin, database _aiven", ("vultradmin",), database="_aiven"),
    Imitation("aiven", "role avnadmin, extension aiven_extras", ("avnadmin", "_aiven"), extension="aiven_extras"),
    Imitation("supabase", "role supabase_admin, extension supabase_vault", ("supabase_admin", "anon"), schema="auth",
              extension="supabase_vault"),
    Imitation("neon", "role neon_superuser, extension neon", ("neon_superuser",), extension="neon"),
    Imitation("timescale", "role tsdbadmin, schema _timescaledb_catalog", ("tsdbadmin",), schema="_timescaledb_catalog"),
    Imitation("on-premise", ""),
]  # fmt: skip


@dataclass(frozen=True)
class Named(Location):
    """Reached by its address, and known by a provider's name."""

    name: str = ""

    @property
    def host(self) -> str:
        return self.name


@contextmanager
def imitated(pair: Pair, like: Imitation) -> Iterator[Location]:
    """How its owner reaches a source that looks so."""
    run = pair.ground.run
    run(
        *(f"CREATE ROLE {role}" for role in like.roles),
        *([f"CREATE DATABASE {like.database}"] if like.database else []),
    )
    if like.setting:
        run(f"ALTER DATABASE {pair.source_name} SET {like.setting} = 'x'")
    if like.extension:
        pair.here(
            "CREATE EXTENSION hstore", f"UPDATE pg_extension SET extname = '{like.extension}' WHERE extname = 'hstore'"
        )
    if like.schema:
        pair.here(f"CREATE SCHEMA {like.schema}", f"CREATE TABLE {like.schema}.theirs (a int)")
    pair.here("CREATE TABLE ours (a int)", f"ALTER TABLE ours OWNER TO {pair.owner}",
              *(f"GRANT SELECT ON ours TO {role}" for role in like.roles))  # fmt: skip
    try:
        yield Named(pair.as_owner(pair.source).parameters, name=like.host or "127.0.0.1")
    finally:
        pair.here(*(f"DROP OWNED BY {role}" for role in like.roles))
        run(
            *(f"DROP ROLE {role}" for role in like.roles),
            *([f"DROP DATABASE {like.database}"] if like.database else []),
        )


@pytest.mark.parametrize("like", IMITATIONS, ids=lambda one: f"{one.name}, {one.because or 'nothing'}")
async def test_a_provider_is_told_and_what_is_its_own_stays_behind(pair: Pair, like: Imitation) -> None:
    with imitated(pair, like) as source:
        async with opened(source, pair.target) as look:
            checked = await report(look, [])
    provider = _provider(checked)
    skip_extensions, skip_schemas, reserved_roles, keeps_owners = traits_of(checked)

    assert (provider.name, provider.because) == (like.name, like.because)
    assert skip_extensions == ((like.extension,) if like.extension else ())
    assert skip_schemas == ((like.schema,) if like.schema else ())
    assert provider.reserved_databases == ((like.database,) if like.database else ())
    assert keeps_owners is like.keeps_owners
    assert {role.name for role in checked.roles if not role.is_reserved} - {"changeover"} == {
        pair.owner, *(role for role in like.roles if role not in reserved_roles)
    }  # fmt: skip


def _provider(checked: Checked):  # type: ignore[no-untyped-def]
    assert checked.source is not None
    return checked.source.provider


async def test_an_extension_of_the_provider_is_no_lack_of_the_target(pair: Pair) -> None:
    """The move of an Azure database does not fail for want of `azure` and `pgaadauth`."""
    with imitated(pair, Imitation("azure", "", ("azure_pg_admin",), extension="pgaadauth")) as source:
        checked = await check(source, pair.target, sample_s=0)

    assert [one.result for one in checked.findings if one.id in ("C16", "T5")] == ["passed", "passed"]
    assert [(one.name, one.status) for one in checked.extensions] == [("pgaadauth", "ignored")]


async def test_an_azure_target_says_where_extensions_are_allowed(pair: Pair) -> None:
    pair.here("CREATE EXTENSION hstore", "UPDATE pg_extension SET extname = 'not_there' WHERE extname = 'hstore'")
    pair.ground.run(f"ALTER DATABASE {pair.target_name} SET azure.extensions = 'x'", "CREATE DATABASE azure_sys")
    try:
        checked = await check(pair.source, pair.target, sample_s=0)
    finally:
        pair.ground.run("DROP DATABASE azure_sys")

    (lacking,) = [one for one in checked.findings if one.id == "T5"]
    assert lacking.fix.startswith("Add not_there to the server parameter azure.extensions")


async def test_a_schema_that_other_extensions_live_in_is_moved(pair: Pair) -> None:
    """Heroku puts the user's own extensions into heroku_ext."""
    none = frozenset[str]()
    empty = Signs("localhost", none, none, none, frozenset({"heroku_ext"}), none, {}, "d5f7g8h9j0k1l2")
    heroku = Signs(
        "localhost", none, none, none, frozenset({"heroku_ext"}), none, {"hstore": "heroku_ext"}, "d5f7g8h9j0k1l2"
    )

    provider = provider_of(heroku)

    assert (provider.name, provider.because, provider.skip_schemas) == (
        "heroku", "schema heroku_ext, database d5f7g8h9j0k1l2", (),
    )  # fmt: skip
    assert (provider_of(empty).skip_schemas, provider_of(empty).keeps_owners) == (("heroku_ext",), False)


@pytest.mark.parametrize("traits", [one for one in TRAITS if one.roles], ids=lambda one: one.name)
def test_names_of_roles_alone_give_no_provider_away(traits: Traits) -> None:
    """Roles are brought by every move away from a provider."""
    none = frozenset[str]()
    moved = Signs("db.example", frozenset(traits.roles) | {"postgres"}, none, none, frozenset({"public"}), none, {})

    provider = provider_of(moved)

    assert (provider.name, provider.reserved_roles, provider.keeps_owners) == ("on-premise", (), True)


@pytest.mark.parametrize(
    "left_over",
    [
        Imitation("heroku", "", schema="heroku_ext"),
        Imitation("azure", "", setting="azure.extensions"),
        Imitation("aiven", "", extension="aiven_extras"),
        Imitation("digitalocean", "", ("doadmin",), schema="auth"),
    ],
    ids=lambda one: one.name,
)
async def test_what_a_move_left_over_gives_no_provider_away(pair: Pair, left_over: Imitation) -> None:
    """So all of it is moved on, with its owners."""
    with imitated(pair, left_over) as source:
        async with opened(source, pair.target) as look:
            checked = await report(look, [])

    assert _provider(checked).name == "on-premise"
    skip_extensions, skip_schemas, reserved_roles, keeps_owners = traits_of(checked)
    assert (skip_extensions, skip_schemas, keeps_owners) == ((), (), True)
    assert [name for name in reserved_roles if not name.startswith("pg_")] == []


@pytest.mark.parametrize(("database", "name"), [("d5f7g8h9j0k1l2", "heroku"), ("shop", "on-premise")])
def test_a_host_of_amazon_is_herokus_only_with_a_database_as_heroku_names_them(database: str, name: str) -> None:
    """Anybody's machine there has such a name."""
    nothing = frozenset[str]()
    host = "ec2-52-1-2-3.compute-1.amazonaws.com"
    signs = Signs(host, nothing, nothing, nothing, nothing, nothing, extension_schemas={}, database=database)

    assert provider_of(signs).name == name


def test_each_provider_has_one_entry() -> None:
    assert len({traits.name for traits in TRAITS}) == len(TRAITS)


async def test_a_policy_for_a_role_of_the_provider_needs_that_role_on_the_target(newer_pair: Pair, pair: Pair) -> None:
    pair.ground.run("CREATE ROLE authenticated")
    try:
        pair.here("CREATE TABLE a (a int)", "CREATE POLICY p ON a TO authenticated USING (true)")
        source = Named(pair.as_owner(pair.source).parameters, name="db.abc.supabase.co")
        found = await asked("T6", source, newer_pair.target)
    finally:
        pair.here("DROP TABLE IF EXISTS a")
        pair.ground.run("DROP ROLE authenticated")

    assert [one.result for one in found] == ["failed"]
    assert found[0].fix == 'CREATE ROLE "authenticated";'
