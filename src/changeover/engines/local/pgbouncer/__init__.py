"""Poolers by PgBouncer: processes on this host, each leading to one database of a server of this host."""

from changeover.engines.local.pgbouncer.poolers import LocalPoolers

__all__ = ["LocalPoolers"]
