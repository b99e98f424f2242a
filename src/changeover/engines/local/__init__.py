"""The local engine: servers as processes on this host, with the system's PostgreSQL, a configured folder, or a wheel."""

from changeover.engines.local.certificates import CertificateAuthority
from changeover.engines.local.engine import LocalEngine

__all__ = ["CertificateAuthority", "LocalEngine"]
