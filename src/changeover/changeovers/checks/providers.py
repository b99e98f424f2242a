"""Recognizes a server's provider, and lists what belongs to the provider.

The table lists what may belong to a provider; only what the server has is reserved. Rights, TLS and settings are never taken
from the table, because the checks ask the server.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Signs:
    """What can be read of a server without special rights."""

    host: str
    roles: frozenset[str]
    settings: frozenset[str]
    databases: frozenset[str]
    schemas: frozenset[str]
    functions: frozenset[str]
    extension_schemas: Mapping[str, str]
    """Each installed extension's schema."""
    database: str = ""
    set_settings: frozenset[str] = frozenset()
    """Settings that the server does not define. An owner can set any, and a move copies them."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Values of the settings in `Traits.values`."""


@dataclass(frozen=True)
class Traits:
    """A provider. `host` (a pattern), `functions` and `settings` that the server defines are proof on their own.

    Everything else may be left over from a move: `roles`, `extensions`, `all_schemas`, settings that were only set. One of these
    counts only together with a sign of another kind, including something that the provider reserves. What `reserves_…` matches
    is never moved, granted or compared. Patterns match whole names.
    """

    name: str
    title: str
    host: str = ""
    database: str = ""
    """A pattern that must match too, if the host name is not specific enough."""
    roles: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    all_schemas: tuple[str, ...] = ()
    """A sign if all of them exist."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Settings, each with a pattern of its value."""
    reserves_roles: str = ""
    reserves_databases: tuple[str, ...] = ()
    reserves_schemas: str = ""
    reserves_extensions: tuple[str, ...] = ()
    keeps_owners: bool = True
    """False if everything has one owner with a random name."""
    notes: tuple[str, ...] = ()


_RDS_ROLES = r"rdsadmin|rds_.*|rdsrepladmin|rdstopmgr|rdsproxyadmin|rdswriteforwarduser"
_AIVEN_ROLES = r"_aiven|postgres"
_ALLOW_LIST = "Add this machine to its list of allowed addresses."

TRAITS = (
    Traits("aurora", "Amazon Aurora", functions=("aurora_version",),
        host=r".*\.cluster-.*\.rds\.amazonaws\.com", reserves_roles=_RDS_ROLES,
        reserves_databases=("rdsadmin",), reserves_extensions=("rds_tools",),
        notes=("Use the writer's endpoint: the reader endpoint leads to several servers.",
               "Passwords can't be read there: every login needs a new one.")),
    Traits("rds", "Amazon RDS", roles=("rdsadmin",), settings=("rds.extensions", "rds.force_ssl"),
        host=r".*\.rds\.amazonaws\.com", reserves_roles=_RDS_ROLES,
        reserves_databases=("rdsadmin",), reserves_extensions=("rds_tools",),
        notes=("Passwords can't be read there: every login needs a new one.",
               "Its certificates are signed by the RDS bundle: use it as sslrootcert, with sslmode=verify-full.")),
    Traits("alloydb", "Google AlloyDB", settings=("alloydb.logical_decoding", "alloydb.enable_pgaudit"),
        roles=("alloydbsuperuser",), reserves_roles=r"alloydb.*|cloudsql.*",
        reserves_databases=("alloydbadmin", "cloudsqladmin"),
        reserves_schemas=r"ai|google_ml|helpobj|perfsnap|pgsnap|hint_plan",
        reserves_extensions=("g_stats", "google_columnar_engine", "google_db_advisor", "google_ml_integration")),
    Traits("cloudsql", "Google Cloud SQL", roles=("cloudsqladmin", "cloudsqlsuperuser"),
        settings=("cloudsql.logical_decoding", "cloudsql.iam_authentication"), reserves_roles=r"cloudsql.*",
        reserves_databases=("cloudsqladmin",),
        notes=("Connect by its IP address; each instance has its own certificate authority.",
               "Its flag cloudsql.pg_authid_select_role lets a role read passwords, which can then be copied.")),
    Traits("azure", "Azure Database for PostgreSQL", roles=("azure_superuser", "azure_pg_admin", "azuresu"),
        settings=("azure.extensions",), host=r".*\.postgres\.database\.azure\.com",
        reserves_roles=r"azuresu|azure_.*", reserves_databases=("azure_maintenance", "azure_sys"),
        reserves_extensions=("azure", "pgaadauth", "azure_storage", "azure_ai"),
        notes=("An extension must be in the server parameter azure.extensions before it can be created.",
               "On a Single Server the login is user@server; on a Flexible Server it is user.")),
    Traits("linode", "Linode (Akamai)", roles=("akmadmin",), host=r".*\.(?:g2a\.)?akamaidb\.net",
        reserves_roles=_AIVEN_ROLES, reserves_databases=("_aiven",),
        reserves_extensions=("aiven_extras",), notes=(_ALLOW_LIST,)),
    Traits("upcloud", "UpCloud", roles=("upadmin",), host=r".*\.(?:db\.upclouddatabases|upclouddatabases)\.com",
        reserves_roles=_AIVEN_ROLES, reserves_databases=("_aiven",),
        reserves_extensions=("aiven_extras",), notes=(_ALLOW_LIST,)),
    Traits("vultr", "Vultr", roles=("vultradmin",), host=r".*\.vultrdb\.com",
        reserves_roles=_AIVEN_ROLES, reserves_databases=("_aiven",),
        reserves_extensions=("aiven_extras",), notes=(_ALLOW_LIST,)),
    Traits("digitalocean", "DigitalOcean", roles=("doadmin",), host=r".*\.db\.ondigitalocean\.com",
        reserves_roles=_AIVEN_ROLES + "|_dodb", reserves_databases=("_dodb", "_aiven"),
        reserves_extensions=("aiven_extras",), notes=("Add this machine to its trusted sources.",)),
    Traits("aiven", "Aiven", roles=("avnadmin",), extensions=("aiven_extras",), settings=("aiven.pg_security_agent",),
        host=r".*\.aivencloud\.com", reserves_roles=_AIVEN_ROLES, reserves_databases=("_aiven",),
        reserves_extensions=("aiven_extras", "aiven_gatekeeper")),
    Traits("render", "Render", host=r"dpg-[a-z0-9]+(?:-[a-z])?(?:\..*)?", keeps_owners=False,
        notes=("A host name without dots is internal and exists only inside Render.",
               "Logical replication is usually not offered: the move is a snapshot.")),
    Traits("supabase", "Supabase", roles=("supabase_admin",), all_schemas=("auth", "storage", "realtime"),
        host=r".*\.supabase\.(?:co|com)",
        reserves_roles=r"supabase_.*|anon|authenticated|authenticator|service_role|dashboard_user|pgbouncer",
        reserves_schemas=r"auth|storage|realtime|supabase_functions|supabase_migrations|cron|net|_supabase"
                         r"|graphql|graphql_public|vault|pgbouncer",
        reserves_extensions=("pg_net", "pg_graphql", "pg_repack", "http", "pg_stat_monitor", "pgstattuple",
                             "supabase_vault"),
        notes=("Use the direct connection (db.PROJECT.supabase.co, IPv6 unless bought), not the pooler.",
               "Its schemas auth and storage, with your users and files, are not moved.")),
    Traits("neon", "Neon", roles=("neon_superuser", "neondb_owner"), extensions=("neon",),
        settings=("neon.tenant_id", "neon.timeline_id"), host=r".*\.neon\.(?:tech|build)",
        reserves_roles=r"neon_.*|cloud_admin", reserves_schemas=r"neon|neon_migration",
        reserves_extensions=("neon", "neon_utils"),
        notes=("Use the name without -pooler.", "The compute must not scale to zero during the copy.")),
    Traits("timescale", "Timescale Cloud", roles=("tsdbadmin",), host=r".*\.tsdb\.cloud\.timescale\.com",
        reserves_roles=r"tsdbowner|_aiven|postgres", reserves_schemas=r"_timescaledb_.*"),
    Traits("heroku", "Heroku Postgres", all_schemas=("heroku_ext",),
        host=r".*\.compute(?:-\d+)?\.amazonaws\.com", database=r"d[0-9a-z]{12,14}",
        reserves_schemas=r"heroku_ext|_heroku", keeps_owners=False,
        notes=("Logical replication is not offered: the move is a snapshot.",
               "Its credentials can change at any time: read DATABASE_URL again before each attempt.",
               "To hold writers: `heroku maintenance:on`, and scale the workers to zero.")),
    Traits("changeover", "changeover", roles=("changeover",), all_schemas=("_heroku",),
        reserves_roles=r"changeover", reserves_schemas=r"_heroku"),
    Traits("crunchybridge", "Crunchy Bridge", host=r".*\.postgresbridge\.com"),
    Traits("cloudnativepg", "CloudNativePG", roles=("streaming_replica",), values={"ssl_cert_file": r"/controller/.*"},
        reserves_roles=r"streaming_replica|cnpg_pooler_pgbouncer"),
)  # fmt: skip
ON_PREMISE = Traits("on-premise", "an ordinary PostgreSQL server")


@dataclass(frozen=True)
class Provider:
    """The provider according to the table and the server."""

    name: str
    title: str
    because: str
    """The proof, for example `role rdsadmin`. Empty for an ordinary server."""
    reserved_roles: tuple[str, ...]
    """Those that exist, including PostgreSQL's pg_…."""
    reserved_databases: tuple[str, ...]
    skip_schemas: tuple[str, ...]
    skip_extensions: tuple[str, ...]
    keeps_owners: bool
    notes: tuple[str, ...]
    reserves_roles: str = ""

    def reserves_role(self, name: str) -> bool:
        """Works for roles of the other side too."""
        return name.startswith("pg_") or bool(re.fullmatch(self.reserves_roles, name))


def provider_of(signs: Signs) -> Provider:
    """The first provider in the table that the server itself proves, else the host's name, else an ordinary server."""
    for why in (_by_server, _by_host):
        for traits in TRAITS:
            if because := why(traits, signs):
                return _provider(traits, signs, because)
    return _provider(ON_PREMISE, signs, "")


def values_to_ask() -> list[str]:
    """Settings whose values are signs."""
    return [name for traits in TRAITS for name in traits.values]


def settings_to_ask() -> list[str]:
    """Settings that prove a provider."""
    return [name for traits in TRAITS for name in traits.settings]


def _by_server(traits: Traits, signs: Signs) -> str:
    """One proof, or two signs of different kinds. A role's name alone is no proof, because a move may have copied it."""
    proofs = _found(("setting", traits.settings, signs.settings), ("function", traits.functions, signs.functions))
    if proofs:
        return proofs[0]
    has_schemas = bool(traits.all_schemas) and signs.schemas >= set(traits.all_schemas)
    leading = _found(
        ("role", traits.roles, signs.roles),
        ("setting", traits.settings, signs.set_settings),
        ("extension", traits.extensions, signs.extension_schemas),
        ("schema", traits.all_schemas if has_schemas else (), signs.schemas),
    )
    if not leading:
        return ""
    schemas = [] if traits.all_schemas else _matching(traits.reserves_schemas, signs.schemas)
    is_named_so = bool(traits.database) and re.fullmatch(traits.database, signs.database) is not None
    values = [name for name, like in traits.values.items() if re.fullmatch(like, signs.values.get(name, ""))]
    following = _found(
        ("extension", () if traits.extensions else traits.reserves_extensions, signs.extension_schemas),
        ("schema", schemas, signs.schemas),
        ("database", traits.reserves_databases, signs.databases),
        ("database", (signs.database,) if is_named_so else (), (signs.database,)),
        ("value of", values, values),
    )
    return ", ".join([*leading, *following][:2]) if len(leading) + len(following) > 1 else ""


def _found(*kinds: tuple[str, Iterable[str], Container[str]]) -> list[str]:
    """The first existing name of each kind, for example `role rdsadmin`."""
    firsts = [(kind, next((name for name in wanted if name in there), None)) for kind, wanted, there in kinds]
    return [f"{kind} {name}" for kind, name in firsts if name is not None]


def _by_host(traits: Traits, signs: Signs) -> str:
    is_named_so = traits.host and re.fullmatch(traits.host, signs.host, re.IGNORECASE)
    is_named_so = is_named_so and re.fullmatch(traits.database or ".*", signs.database)
    return f"host {signs.host}" if is_named_so else ""


def _provider(traits: Traits, signs: Signs, because: str) -> Provider:
    skipped = [name for name in traits.reserves_extensions if name in signs.extension_schemas]
    needed = {schema for name, schema in signs.extension_schemas.items() if name not in skipped}
    schemas = _matching(traits.reserves_schemas, signs.schemas)
    return Provider(
        name=traits.name,
        title=traits.title,
        because=because,
        reserved_roles=tuple(_matching(traits.reserves_roles + "|pg_.*", signs.roles)),
        reserved_databases=tuple(name for name in traits.reserves_databases if name in signs.databases),
        skip_schemas=tuple(name for name in schemas if name not in needed),
        skip_extensions=tuple(skipped),
        keeps_owners=traits.keeps_owners,
        notes=traits.notes,
        reserves_roles=traits.reserves_roles,
    )


def _matching(pattern: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if pattern and re.fullmatch(pattern, name))
