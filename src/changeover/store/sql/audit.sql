-- name: record
-- Increments the counter of an equal event of the same minute or request instead of adding one.
INSERT INTO audit_events (account_id, email, authorization_id, action, path, app_id, app, address, request_id, resource, outcome,
                          error, times, merges_as)
VALUES (%(account_id)s, %(email)s, %(authorization_id)s, %(action)s, %(path)s, %(app_id)s, %(app)s, %(address)s, %(request_id)s,
        %(resource)s, %(outcome)s, %(error)s, %(times)s, %(merges_as)s)
ON CONFLICT (merges_as) DO UPDATE
   SET at = clock_timestamp(), outcome = excluded.outcome, error = excluded.error,
       app_id = coalesce(audit_events.app_id, excluded.app_id), app = coalesce(audit_events.app, excluded.app),
       resource = coalesce(audit_events.resource, excluded.resource),
       times = CASE WHEN audit_events.request_id = excluded.request_id THEN audit_events.times
                    ELSE audit_events.times + excluded.times END,
       address = excluded.address, request_id = excluded.request_id;

-- name: visible
-- Newest first. `apps` and `caller` are null for the operator, who sees all events.
SELECT {columns} FROM audit_events
 WHERE (%(app_id)s::uuid IS NULL OR app_id = %(app_id)s)
   AND (%(caller)s::uuid IS NULL OR account_id = %(caller)s OR app_id = ANY (%(apps)s::uuid[]))
 ORDER BY at DESC, id DESC LIMIT %(most)s;

-- name: forget
DELETE FROM audit_events WHERE at < now() - make_interval(days => %(days)s);
