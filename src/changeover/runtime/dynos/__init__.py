"""Dynos as processes of this host, managed by one supervisord, and their logs."""

from changeover.runtime.dynos.dynos import LocalDynos
from changeover.runtime.dynos.log_store import LogStore

__all__ = ["LocalDynos", "LogStore"]
