"""The local engine: servers as processes on this host, with system PostgreSQL, a given folder, or a wheel."""

from changeover.engines.local.certificates import CertificateAuthority
from changeover.engines.local.engine import LocalEngine
from changeover.engines.local.users import ensure_system_users, run_as_for_apps, run_as_for_router, run_as_for_servers

__all__ = [
    "CertificateAuthority",
    "LocalEngine",
    "ensure_system_users",
    "run_as_for_apps",
    "run_as_for_router",
    "run_as_for_servers",
]
