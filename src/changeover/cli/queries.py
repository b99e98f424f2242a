"""The SQL queries of `pg:locks` and similar commands.

They work on PostgreSQL 13 and newer. {holes} are only filled with our own values (numbers and fixed texts).
"""

from __future__ import annotations

PS = """
SELECT pid, state, application_name AS source, usename AS username,
       date_trunc('milliseconds', clock_timestamp() - query_start) AS running_for,
       xact_start AS transaction_start, wait_event IS NOT NULL AND wait_event_type = 'Lock' AS waiting, {query} AS query
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND query <> '<insufficient privilege>' {which}
 ORDER BY query_start
"""

LOCKS = """
SELECT a.pid, c.relname, l.transactionid, l.granted, {query} AS query_snippet,
       date_trunc('milliseconds', clock_timestamp() - a.query_start) AS age
  FROM pg_locks l
  JOIN pg_stat_activity a USING (pid)
  LEFT JOIN pg_class c ON c.oid = l.relation
 WHERE l.mode = 'ExclusiveLock' AND a.pid <> pg_backend_pid() AND a.query <> '<insufficient privilege>'
 ORDER BY a.query_start
"""

BLOCKING = """
SELECT waiter.pid AS blocked_pid, waiter.query AS blocked_statement,
       date_trunc('milliseconds', clock_timestamp() - waiter.query_start) AS blocked_duration,
       holder.pid AS blocking_pid, holder.query AS blocking_statement,
       date_trunc('milliseconds', clock_timestamp() - holder.query_start) AS blocking_duration
  FROM pg_stat_activity waiter
 CROSS JOIN LATERAL unnest(pg_blocking_pids(waiter.pid)) AS holds(pid)
  JOIN pg_stat_activity holder ON holder.pid = holds.pid
 ORDER BY waiter.query_start
"""

LONG_RUNNING_QUERIES = """
SELECT pid, date_trunc('milliseconds', clock_timestamp() - query_start) AS duration, query
  FROM pg_stat_activity
 WHERE state <> 'idle' AND backend_type = 'client backend' AND pid <> pg_backend_pid()
   AND clock_timestamp() - query_start > interval '5 minutes'
 ORDER BY query_start
"""

CACHE_HIT = """
SELECT 'index hit rate' AS name, sum(idx_blks_hit)::numeric / nullif(sum(idx_blks_hit + idx_blks_read), 0) AS ratio
  FROM pg_statio_user_indexes
 UNION ALL
SELECT 'table hit rate', sum(heap_blks_hit)::numeric / nullif(sum(heap_blks_hit + heap_blks_read), 0)
  FROM pg_statio_user_tables
"""

INDEX_USAGE = """
SELECT relname,
       coalesce((100 * coalesce(idx_scan, 0) / nullif(seq_scan + coalesce(idx_scan, 0), 0))::text, 'Insufficient data')
         AS percent_of_times_index_used,
       n_live_tup AS rows_in_table
  FROM pg_stat_user_tables
 ORDER BY n_live_tup DESC, relname
"""

INDEX_SIZE = """
SELECT c.relname AS name, pg_size_pretty(pg_relation_size(c.oid)) AS size
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'i' AND n.nspname !~ '^(pg_|information_schema$|_heroku$)'
 ORDER BY pg_relation_size(c.oid) DESC, c.relname
"""

TOTAL_INDEX_SIZE = """
SELECT pg_size_pretty(coalesce(sum(pg_relation_size(c.oid)), 0)) AS size
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'i' AND n.nspname !~ '^(pg_|information_schema$|_heroku$)'
"""

TABLE_SIZE = """
SELECT c.relname AS name, pg_size_pretty(pg_table_size(c.oid)) AS size
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema$|_heroku$)'
 ORDER BY pg_table_size(c.oid) DESC, c.relname
"""

TABLE_INDEXES_SIZE = """
SELECT c.relname AS "table", pg_size_pretty(pg_indexes_size(c.oid)) AS index_size
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema$|_heroku$)'
 ORDER BY pg_indexes_size(c.oid) DESC, c.relname
"""

TOTAL_TABLE_SIZE = """
SELECT c.relname AS name, pg_size_pretty(pg_total_relation_size(c.oid)) AS size
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname !~ '^(pg_|information_schema$|_heroku$)'
 ORDER BY pg_total_relation_size(c.oid) DESC, c.relname
"""

UNUSED_INDEXES = """
SELECT s.schemaname || '.' || s.relname AS "table", s.indexrelname AS index,
       pg_size_pretty(pg_relation_size(i.indexrelid)) AS index_size, s.idx_scan AS index_scans
  FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid)
 WHERE NOT i.indisunique AND s.idx_scan < 50 AND pg_relation_size(s.relid) > 5 * 8192
 ORDER BY pg_relation_size(i.indexrelid) / greatest(s.idx_scan, 1) DESC, pg_relation_size(i.indexrelid) DESC
"""

SEQ_SCANS = """
SELECT relname AS name, seq_scan AS count FROM pg_stat_user_tables ORDER BY seq_scan DESC, relname
"""

RECORDS_RANK = """
SELECT relname AS name, n_live_tup AS estimated_count FROM pg_stat_user_tables ORDER BY n_live_tup DESC, relname
"""

USER_CONNECTIONS = """
SELECT usename AS credential, count(*) AS connections
  FROM pg_stat_activity
 WHERE datname = current_database() AND backend_type = 'client backend'
 GROUP BY usename ORDER BY usename
"""

EXTENSIONS = """
SELECT a.name, a.default_version, a.installed_version, a.comment
  FROM pg_available_extensions a
 WHERE a.name = ANY (regexp_split_to_array(current_setting('extwlist.extensions', true), '\\s*,\\s*')) IS NOT FALSE
 ORDER BY a.name
"""

VACUUM_STATS = """
WITH settings AS (
  SELECT c.oid,
         coalesce((SELECT option_value::float FROM pg_options_to_table(c.reloptions)
                    WHERE option_name = 'autovacuum_vacuum_threshold'),
                  current_setting('autovacuum_vacuum_threshold')::float)
         + c.reltuples
         * coalesce((SELECT option_value::float FROM pg_options_to_table(c.reloptions)
                      WHERE option_name = 'autovacuum_vacuum_scale_factor'),
                    current_setting('autovacuum_vacuum_scale_factor')::float) AS threshold
    FROM pg_class c WHERE c.relkind = 'r')
SELECT s.schemaname AS schema, s.relname AS "table",
       to_char(s.last_vacuum, 'YYYY-MM-DD HH24:MI') AS last_vacuum,
       to_char(s.last_autovacuum, 'YYYY-MM-DD HH24:MI') AS last_autovacuum,
       s.n_live_tup AS rowcount, s.n_dead_tup AS dead_rowcount,
       round(settings.threshold) AS autovacuum_threshold,
       CASE WHEN s.n_dead_tup > settings.threshold THEN 'yes' ELSE '' END AS expect_autovacuum
  FROM pg_stat_user_tables s JOIN settings ON settings.oid = s.relid
 ORDER BY s.n_dead_tup DESC, s.relname
"""

BLOAT = """
WITH widths AS (
  SELECT s.schemaname, s.tablename, sum((1 - s.null_frac) * s.avg_width) AS row_width
    FROM pg_stats s GROUP BY s.schemaname, s.tablename),
sizes AS (
  SELECT n.nspname, c.relname, c.relpages, current_setting('block_size')::numeric AS page,
         ceil(c.reltuples * (28 + widths.row_width) / (current_setting('block_size')::numeric - 24)) AS needed
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN widths ON widths.schemaname = n.nspname AND widths.tablename = c.relname
   WHERE c.relkind = 'r' AND c.reltuples > 0 AND n.nspname NOT IN ('pg_catalog', 'information_schema'))
SELECT 'table' AS type, nspname AS schemaname, relname AS object_name,
       round((relpages / greatest(needed, 1))::numeric, 1) AS bloat,
       pg_size_pretty((greatest(relpages - needed, 0) * page)::bigint) AS waste
  FROM sizes ORDER BY greatest(relpages - needed, 0) DESC, relname
"""

STATEMENTS_SCHEMA = """
SELECT quote_ident(n.nspname) || ' ' || current_setting('server_version_num')
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'
"""

STATEMENTS = """
SELECT interval '1 millisecond' * total_exec_time AS total_exec_time,
       to_char(100 * total_exec_time / nullif(sum(total_exec_time) OVER (), 0), 'FM990D0') || '%' AS prop_exec_time,
       to_char(calls, 'FM999G999G999G990') AS ncalls,
       interval '1 millisecond' * ({read_time} + {write_time}) AS sync_io_time,
       {query} AS query
  FROM {schema}.pg_stat_statements
 WHERE userid = (SELECT oid FROM pg_roles WHERE rolname = current_user)
 ORDER BY {order} DESC
 LIMIT {limit}
"""

CANCEL = "SELECT pg_cancel_backend({pid})"
TERMINATE = "SELECT pg_terminate_backend({pid})"
