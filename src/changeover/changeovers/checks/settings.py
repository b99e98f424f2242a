"""Compares settings that affect the results or the execution of queries."""

from __future__ import annotations

from changeover.changeovers.checks.finding import Answers, check, named, warning
from changeover.changeovers.checks.look import Look
from changeover.changeovers.checks.side import Side

GROUPS = {
    "query results": (
        "TimeZone", "DateStyle", "IntervalStyle", "lc_monetary", "lc_numeric", "lc_time", "bytea_output", "extra_float_digits",
        "default_text_search_config", "standard_conforming_strings", "backslash_quote", "array_nulls", "transform_null_equals",
        "xmlbinary", "xmloption", "search_path", "default_transaction_isolation", "row_security", "quote_all_identifiers",
    ),
    "limits": (
        "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "transaction_timeout",
        "idle_session_timeout", "deadlock_timeout", "temp_file_limit", "max_prepared_transactions", "max_locks_per_transaction",
        "password_encryption",
    ),
    "durability": ("synchronous_commit", "commit_delay"),
    "query planning": (
        "random_page_cost", "seq_page_cost", "effective_io_concurrency", "default_statistics_target", "jit", "work_mem",
        "enable_seqscan", "enable_nestloop", "enable_partitionwise_join", "plan_cache_mode", "join_collapse_limit",
        "from_collapse_limit", "max_parallel_workers_per_gather",
    ),
}  # fmt: skip
"""Without memory sizes, which depend on the machine."""


@check("T11", "Settings that change results are the same", "target")
async def settings(look: Look) -> Answers:
    source, target = look.source, look.there
    for group, names in GROUPS.items():
        other = [
            f"{name} {_with_unit(source, name)} (target {_with_unit(target, name)})"
            for name in names
            if name in source.settings
            and name in target.settings
            and source.value(name) != target.value(name)
            and not source.settings[name].comes_along
        ]
        if other:
            first = other[0].split(" ", 1)[0]
            yield warning(
                f"Settings for {group} differ: {named(other, most=8)}.",
                "The app may behave differently on the target.",
                f"If it matters, on the target: ALTER DATABASE … SET {first} = '{_with_unit(source, first)}';",
            )


def _with_unit(side: Side, name: str) -> str:
    """In a form that can be set, for example `5120kB`. Settings with page units such as `8kB` are not in GROUPS."""
    value = side.value(name)
    return value + side.settings[name].unit if value.isdigit() and value != "0" else value or "empty"
