"""A server's configuration, from its plan and this host. Pure, except for `Host.look`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from changeover.engines.engine import Size
from changeover.postgres.configuration import SettingValue
from changeover.postgres.installations import Installation

RESERVED_FOR_US = 10
DEFAULT_MEMORY_MB = 512
GREATER_OF_BOTH = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
"""A standby with smaller values than its leader refuses to start or stops replaying."""


@dataclass(frozen=True)
class Host:
    """The resources of this machine."""

    memory_mb: int
    cores: int

    @classmethod
    def look(cls) -> Host:
        return cls(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20, os.cpu_count() or 1)


def server_settings(
    size: Size, host: Host, installation: Installation, *, address: str, log_directory: Path, tls_directory: Path
) -> dict[str, SettingValue]:
    """All settings that differ from PostgreSQL's defaults."""
    settings = {
        **_connections(size, address),
        **_memory(size, host),
        **_durability(),
        **_logging(log_directory),
        **_extensions(installation),
    }
    if installation.has_tls:
        settings |= {
            "ssl": True,
            "ssl_cert_file": str(tls_directory / "server.crt"),
            "ssl_key_file": str(tls_directory / "server.key"),
            "ssl_min_protocol_version": "TLSv1.2",
        }
    return settings


def follower_settings(
    settings: Mapping[str, SettingValue], of_leader: Mapping[str, int], *, conninfo: str, slot: str
) -> dict[str, SettingValue]:
    """The settings for a follower, with the leader's values where a standby needs at least these, and its leader."""
    greater = {name: max(int(settings.get(name, 0)), of_leader[name]) for name in GREATER_OF_BOTH}
    return {**settings, **greater, "primary_conninfo": conninfo, "primary_slot_name": slot}


def conninfo(parameters: Iterable[tuple[str, object]]) -> str:
    """A libpq connection string with quoted values."""
    return " ".join(
        f"{name}='" + str(value).replace("\\", "\\\\").replace("'", "\\'") + "'" for name, value in parameters
    )


def _connections(size: Size, address: str) -> dict[str, SettingValue]:
    return {
        "listen_addresses": address,
        "max_connections": size.max_connections + RESERVED_FOR_US,
        "superuser_reserved_connections": RESERVED_FOR_US,
        "password_encryption": "scram-sha-256",
        "timezone": "UTC",
        "tcp_keepalives_idle": 60,
        "tcp_keepalives_interval": 10,
        "tcp_keepalives_count": 6,
    }


def _memory(size: Size, host: Host) -> dict[str, SettingValue]:
    granted = min(size.memory_mb or DEFAULT_MEMORY_MB, host.memory_mb)
    buffers = min(max(granted // 4, 16), max(host.memory_mb // 8, 16))
    return {
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(granted * 3 // 4, 64)}MB",
        "maintenance_work_mem": f"{min(max(granted // 16, 16), 1024)}MB",
        "work_mem": f"{min(max(granted // 256, 4), 64)}MB",
        "huge_pages": "off",
        "max_worker_processes": max(16, host.cores * 2),
        "max_parallel_workers": max(2, host.cores),
        "max_parallel_workers_per_gather": max(1, min(host.cores // 2, 4)),
        "random_page_cost": "1.1",
    }


def _durability() -> dict[str, SettingValue]:
    return {
        "wal_level": "logical",
        "wal_log_hints": True,
        "wal_keep_size": "128MB",
        "max_slot_wal_keep_size": "16GB",
        "max_wal_size": "2GB",
        "max_wal_senders": 20,
        "max_replication_slots": 20,
        "max_prepared_transactions": 0,
        "max_locks_per_transaction": 64,
        "hot_standby": True,
        "hot_standby_feedback": False,
        "wal_receiver_status_interval": 1,
        "wal_retrieve_retry_interval": "1s",
        "checkpoint_completion_target": "0.9",
    }


def _logging(log_directory: Path) -> dict[str, SettingValue]:
    return {
        "logging_collector": True,
        "log_directory": str(log_directory),
        "log_filename": "postgresql-%Y%m%d-%H%M%S.log",
        "log_rotation_age": "1d",
        "log_rotation_size": "10MB",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
        "log_timezone": "UTC",
        "log_checkpoints": False,
        "lc_messages": "C",
    }


def _extensions(installation: Installation) -> dict[str, SettingValue]:
    allowed = set(installation.trusted_extensions)
    settings: dict[str, SettingValue] = {}
    if "pg_stat_statements" in installation.extensions:
        allowed.add("pg_stat_statements")
        settings |= {"shared_preload_libraries": "pg_stat_statements", "pg_stat_statements.track": "top"}
    # The official CLI splits these at bare commas: no spaces.
    listed = ",".join(sorted(allowed))
    return {**settings, "extwlist.extensions": listed, "rds.allowed_extensions": listed}
