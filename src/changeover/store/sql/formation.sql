-- name: of_app
SELECT {columns} FROM formation WHERE app_id = %(app_id)s ORDER BY type <> 'web', type;

-- name: set
INSERT INTO formation (app_id, type, quantity, size) VALUES (%(app_id)s, %(type)s, %(quantity)s, %(size)s)
ON CONFLICT (app_id, type) DO UPDATE SET quantity = excluded.quantity, size = excluded.size, updated_at = now();

-- name: remember_ports
UPDATE apps SET ports = %(ports)s WHERE id = %(app_id)s;

-- name: ports_taken
SELECT unnest(ports) FROM apps UNION SELECT port FROM servers;

-- name: all_apps
SELECT {columns} FROM apps_seen ORDER BY name;

-- name: next_number
SELECT nextval('dyno_runs');

-- name: dynos
SELECT {columns} FROM dynos WHERE app_id = %(app_id)s ORDER BY name;

-- name: put_dyno
INSERT INTO dynos (app_id, name, type, port, release, restarts, is_stopped)
VALUES (%(app_id)s, %(name)s, %(type)s, %(port)s, %(release)s, %(restarts)s, %(is_stopped)s)
ON CONFLICT (app_id, name) DO UPDATE
   SET type = excluded.type, port = excluded.port, release = excluded.release, restarts = excluded.restarts,
       is_stopped = excluded.is_stopped;

-- name: remove_dynos
DELETE FROM dynos WHERE app_id = %(app_id)s AND name = ANY (%(gone)s);

-- name: restart
UPDATE dynos SET restarts = restarts + 1, is_stopped = false, stopped_at = NULL, release = 0
 WHERE app_id = %(app_id)s AND %(which)s IN ('*', name, type);

-- name: stop
UPDATE dynos SET is_stopped = true, stopped_at = CASE WHEN is_stopped THEN stopped_at ELSE now() END
 WHERE app_id = %(app_id)s AND %(which)s IN (name, type);

-- name: try_lock
-- For an app's web dynos, or for all others.
SELECT pg_try_advisory_lock(hashtext('changeover.dynos'), hashtext(%(app_id)s || %(group)s));

-- name: unlock
SELECT pg_advisory_unlock(hashtext('changeover.dynos'), hashtext(%(app_id)s || %(group)s));

-- name: web_dynos
SELECT {columns} FROM dynos WHERE port IS NOT NULL;

-- name: runs_under_way
-- Runs that are starting or stopping dynos of these apps.
SELECT id FROM runs
 WHERE kind IN ('dynos', 'release') AND finished_at IS NULL AND input->>'app_id' = ANY (%(apps)s);
