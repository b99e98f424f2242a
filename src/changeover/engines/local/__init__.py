"""The local engine: servers as processes on this host, with system PostgreSQL, a given folder, or a wheel."""

from changeover.engines.local.certificates import CertificateAuthority
from changeover.engines.local.engine import LocalEngine

__all__ = ["CertificateAuthority", "LocalEngine"]
