"""Poolers with PgBouncer: processes on this host, each for one database on a server of this host."""

from changeover.engines.local.pgbouncer.poolers import LocalPoolers

__all__ = ["LocalPoolers"]
