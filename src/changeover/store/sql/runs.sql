-- name: add
INSERT INTO runs (kind, subject, app, app_id, account_id, host, input, status, step)
VALUES (%(kind)s, %(subject)s, %(app)s, %(app_id)s, %(account_id)s, %(host)s, %(input)s, 'running', %(step)s)
RETURNING {columns};

-- name: find
SELECT {columns} FROM runs WHERE id = %(id)s;

-- name: unfinished_of
SELECT {columns} FROM runs WHERE subject = %(subject)s AND finished_at IS NULL;

-- name: progress
-- The progress of kinds that report it in bytes and objects.
SELECT coalesce((SELECT progress FROM changeovers WHERE run_id = %(id)s),
                (SELECT progress FROM verifications WHERE run_id = %(id)s));

-- name: is_any_unfinished
SELECT EXISTS (SELECT FROM runs WHERE finished_at IS NULL);

-- name: latest_of_addon
SELECT {columns} FROM runs WHERE input->>'addon_id' = %(addon_id)s::text ORDER BY id DESC LIMIT 1;

-- name: visible
-- Newest first, of those that the caller may see: all for an operator (`apps` is null), else the runs of those apps, and
-- those that the caller started without an app or for one that is gone. A filter that is null matches everything.
-- `about`: the name of an add-on, or its id.
SELECT {columns} FROM runs
 WHERE (%(apps)s::uuid[] IS NULL OR app_id = ANY (%(apps)s)
        OR (account_id = %(caller)s AND NOT EXISTS (SELECT FROM apps WHERE apps.id = runs.app_id)))
   AND (%(id)s::bigint IS NULL OR id = %(id)s)
   AND (%(app_id)s::uuid IS NULL OR app_id = %(app_id)s)
   AND (%(kind)s::text IS NULL OR kind = %(kind)s)
   AND (%(about)s::text IS NULL OR %(about)s IN (subject, input->>'addon_id'))
 ORDER BY id DESC LIMIT %(most)s;

-- name: journal
SELECT {columns} FROM run_journal WHERE run_id = %(id)s ORDER BY id;

-- name: try_lock
-- One driver at a time. The lock is released with the connection, and therefore with its process.
SELECT pg_try_advisory_lock(hashtext('changeover.run'), %(id)s::integer);

-- name: unlock
SELECT pg_advisory_unlock(hashtext('changeover.run'), %(id)s::integer);

-- name: unfinished_on_host
-- One or all, for a tick or a sweep. The lock of a run prevents a second driver.
SELECT {columns} FROM runs
 WHERE finished_at IS NULL AND host = %(host)s AND (%(id)s::bigint IS NULL OR id = %(id)s)
 ORDER BY id;

-- name: queued
-- Those of these runs that could be driven but are not, with the number of driven runs of the same account, and of all.
WITH driven AS (
    SELECT runs.id, runs.account_id FROM pg_locks JOIN runs ON pg_locks.objid = runs.id::oid
     WHERE locktype = 'advisory' AND objsubid = 2 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND classid = hashtext('changeover.run')::bit(32)::bigint::oid)
SELECT runs.id AS run_id,
       (SELECT count(*) FROM driven WHERE driven.account_id IS NOT DISTINCT FROM runs.account_id) AS of_account,
       (SELECT count(*) FROM driven) AS of_all
  FROM runs
 WHERE runs.id = ANY (%(ids)s) AND finished_at IS NULL AND coalesce(wakes_at <= now(), true)
   AND runs.id NOT IN (SELECT id FROM driven);

-- name: take_over
-- Raises the epoch, so the previous driver can't write any more.
UPDATE runs SET epoch = epoch + 1, wakes_at = NULL, updated_at = now()
 WHERE id = %(id)s AND finished_at IS NULL
RETURNING {columns};

-- name: resume
-- For the worker that has parked it: keeps the epoch. No row if another one has taken it over, or if it is finished.
UPDATE runs SET wakes_at = NULL WHERE id = %(id)s AND epoch = %(epoch)s AND finished_at IS NULL
RETURNING {columns};

-- name: park
UPDATE runs SET wakes_at = clock_timestamp() + make_interval(secs => %(seconds)s) WHERE id = %(id)s AND epoch = %(epoch)s;

-- name: hold
-- Fences a transaction of a step: no row if another worker has taken over the run.
SELECT {columns} FROM runs WHERE id = %(id)s AND epoch = %(epoch)s AND finished_at IS NULL FOR UPDATE;

-- name: is_cancelled
SELECT is_cancelled FROM runs WHERE id = %(id)s;

-- name: move
-- Moves to the next step, in the same transaction as its journal entry.
UPDATE runs SET step = %(step)s, status = %(status)s, waits_because = NULL, percent = NULL,
                step_began_at = now(), updated_at = now()
 WHERE id = %(id)s AND epoch = %(epoch)s AND finished_at IS NULL
RETURNING {columns};

-- name: wait
UPDATE runs SET waits_because = %(because)s, percent = %(percent)s, updated_at = now(),
                status = CASE status WHEN 'undoing' THEN status ELSE 'waiting' END
 WHERE id = %(id)s AND epoch = %(epoch)s AND finished_at IS NULL
RETURNING {columns};

-- name: turn_back
UPDATE runs SET status = 'undoing', error = %(error)s, waits_because = NULL, percent = NULL, updated_at = now()
 WHERE id = %(id)s AND epoch = %(epoch)s AND finished_at IS NULL
RETURNING {columns};

-- name: finish
-- A run that was undone is at its first step, but shows the step that failed.
UPDATE runs SET status = %(status)s,
                step = CASE %(status)s WHEN 'failed' THEN coalesce(
                           (SELECT step FROM run_journal WHERE run_id = %(id)s AND event = 'turned back' ORDER BY id DESC LIMIT 1), step)
                       ELSE step END,
                waits_because = NULL, percent = NULL, updated_at = now(), finished_at = now()
 WHERE id = %(id)s AND epoch = %(epoch)s AND finished_at IS NULL
RETURNING {columns};

-- name: cancel
-- No row for a run that can't turn back any more.
UPDATE runs SET is_cancelled = true, updated_at = now()
 WHERE id = %(id)s AND finished_at IS NULL AND NOT is_past_return
RETURNING {columns};

-- name: pass_point_of_no_return
-- No row for a run that was taken over or cancelled, which must not pass.
UPDATE runs SET is_past_return = true, updated_at = now()
 WHERE id = %(id)s AND epoch = %(epoch)s AND finished_at IS NULL AND NOT is_cancelled
RETURNING {columns};

-- name: note
INSERT INTO run_journal (run_id, epoch, step, event, detail)
VALUES (%(id)s, %(epoch)s, %(step)s, %(event)s, %(detail)s);

-- name: retries
SELECT count(*) FROM run_journal WHERE run_id = %(id)s AND step = %(step)s AND event = 'retry';

-- name: try_worker_lock
SELECT pg_try_advisory_lock(hashtext('changeover.worker'), hashtext(%(host)s));

-- name: worker_lock_is_held
SELECT EXISTS (
    SELECT FROM pg_locks
     WHERE locktype = 'advisory' AND objsubid = 2 AND granted
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND classid = hashtext('changeover.worker')::bit(32)::bigint::oid
       AND objid = hashtext(%(host)s)::bit(32)::bigint::oid);
