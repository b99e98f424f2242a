-- name: add
INSERT INTO schedulers (app_id, addon_id) SELECT app_id, id FROM addons WHERE id = %(addon_id)s;

-- name: of_app
SELECT {columns} FROM schedulers WHERE app_id = %(app_id)s;

-- name: set_held
UPDATE schedulers SET held_by = %(held_by)s WHERE app_id = %(app_id)s;

-- name: jobs
SELECT {columns} FROM scheduled_jobs WHERE app_id = %(app_id)s ORDER BY id;

-- name: job
SELECT {columns} FROM scheduled_jobs WHERE app_id = %(app_id)s AND id::text = %(key)s;

-- name: add_job
INSERT INTO scheduled_jobs (app_id, command, cron, size, next_at)
VALUES (%(app_id)s, %(command)s, %(cron)s, %(size)s, %(next_at)s)
RETURNING {columns};

-- name: remove_job
DELETE FROM scheduled_jobs WHERE id = %(id)s;

-- name: put_off
UPDATE scheduled_jobs SET next_at = %(next_at)s WHERE id = %(id)s;

-- name: jobs
SELECT {columns} FROM scheduled_jobs ORDER BY id;

-- name: bring_forward
UPDATE scheduled_jobs SET next_at = %(next_at)s WHERE id = %(id)s AND next_at > %(next_at)s;

-- name: note_start
UPDATE scheduled_jobs SET last_at = now(), last_dyno = %(dyno)s WHERE id = %(id)s;

-- name: due
SELECT {scheduled_jobs.columns} FROM scheduled_jobs JOIN schedulers USING (app_id)
 WHERE next_at <= now() AND held_by IS NULL
 ORDER BY next_at, id;

-- name: claim
-- Claims this due time. No row if another worker has claimed it, or if the jobs are held.
UPDATE scheduled_jobs SET next_at = %(next_at)s
 WHERE id = %(id)s AND next_at = %(due_at)s
   AND EXISTS (SELECT FROM schedulers WHERE app_id = scheduled_jobs.app_id AND held_by IS NULL)
RETURNING {columns};

-- name: seconds_until_next
SELECT extract(epoch FROM min(next_at) - clock_timestamp())::float
  FROM scheduled_jobs JOIN schedulers USING (app_id) WHERE held_by IS NULL;

-- name: try_lock_starting
-- Held by the connection during claim and start of an app's job. A hold waits for its end.
SELECT pg_try_advisory_lock(hashtext('changeover.scheduler'), hashtext(%(app_id)s::text));

-- name: unlock_starting
SELECT pg_advisory_unlock(hashtext('changeover.scheduler'), hashtext(%(app_id)s::text));

-- name: keep_from_starting
SELECT pg_advisory_xact_lock(hashtext('changeover.scheduler'), hashtext(%(app_id)s::text));
