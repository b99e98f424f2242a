"""Views that read themselves. CREATE OR REPLACE VIEW can create one, but SQL from a dump can't."""

from __future__ import annotations

from typing import Final, LiteralString

SELF_READING: Final[LiteralString] = """
SELECT r.ev_class::bigint FROM pg_catalog.pg_rewrite r
 WHERE r.rulename = '_RETURN' AND r.ev_class >= 16384
   AND (SELECT count(*) FROM regexp_matches(r.ev_action::text, ':relid ' || r.ev_class || ' ', 'g'))
       > CASE WHEN current_setting('server_version_num')::int < 160000 THEN 2 ELSE 0 END
"""
"""Before version 16, every view's rule mentions the view twice, as OLD and NEW."""
WITH_READERS: Final[LiteralString] = f"""
WITH RECURSIVE impossible (oid) AS (
    SELECT own.ev_class::oid FROM ({SELF_READING}) own
    UNION SELECT r.ev_class FROM impossible i JOIN pg_catalog.pg_depend d
        ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.oid
      JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid AND r.rulename = '_RETURN'
)
SELECT n.nspname::text, c.relname::text FROM impossible i JOIN pg_catalog.pg_class c ON c.oid = i.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 1, 2
"""  # noqa: S608 - a constant of ours
"""Schema and name of these views and of the views that read them."""
