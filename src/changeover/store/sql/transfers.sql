-- name: next_number
INSERT INTO transfer_numbers (app_id, last) VALUES (%(app_id)s, 1)
ON CONFLICT (app_id) DO UPDATE SET last = transfer_numbers.last + 1
RETURNING last;

-- name: add
INSERT INTO transfers (app_id, number, kind, addon_id, schedule_id, from_name, to_name, from_url, to_url, extensions, object_key)
VALUES (%(app_id)s, %(number)s, %(kind)s, %(addon_id)s, %(schedule_id)s, %(from_name)s, %(to_name)s, %(from_url)s,
        %(to_url)s, %(extensions)s, %(object_key)s)
RETURNING {columns};

-- name: of_app
SELECT {columns} FROM transfers WHERE app_id = %(app_id)s ORDER BY number DESC;

-- name: find
SELECT {columns} FROM transfers WHERE id = %(id)s;

-- name: find_in_app
-- By number or by id, because paths contain both.
SELECT {columns} FROM transfers WHERE app_id = %(app_id)s AND %(key)s IN (number::text, id::text);

-- name: log
SELECT {columns} FROM transfer_log WHERE transfer_id = %(id)s ORDER BY id;

-- name: say
INSERT INTO transfer_log (transfer_id, level, message) SELECT id, %(level)s, %(message)s FROM transfers WHERE id = %(id)s;

-- name: set_run
UPDATE transfers SET run_id = %(run_id)s, updated_at = now() WHERE id = %(id)s RETURNING {columns};

-- name: begin
UPDATE transfers SET started_at = coalesce(started_at, now()), source_bytes = %(source_bytes)s, processed_bytes = 0,
                     updated_at = now()
 WHERE id = %(id)s RETURNING {columns};

-- name: show
UPDATE transfers SET processed_bytes = %(processed_bytes)s, progress = %(progress)s, updated_at = now() WHERE id = %(id)s;

-- name: finish
UPDATE transfers SET finished_at = now(), updated_at = now(), is_succeeded = %(is_succeeded)s, warnings = %(warnings)s,
                     processed_bytes = coalesce(%(processed_bytes)s, processed_bytes), progress = NULL
 WHERE id = %(id)s AND finished_at IS NULL RETURNING {columns};

-- name: cancel
UPDATE transfers SET cancelled_at = now(), updated_at = now() WHERE id = %(id)s AND finished_at IS NULL RETURNING {columns};

-- name: set_verified
UPDATE transfers SET verified = %(verified)s, updated_at = now() WHERE id = %(id)s;

-- name: remove
DELETE FROM transfers WHERE id = %(id)s;

-- name: backups_under_way
SELECT count(*) FROM transfers JOIN runs ON runs.id = run_id
 WHERE transfers.kind = 'backup' AND transfers.finished_at IS NULL AND runs.finished_at IS NULL;

-- name: waiting_backups
SELECT {columns} FROM transfers WHERE kind = 'backup' AND run_id IS NULL AND finished_at IS NULL ORDER BY created_at LIMIT %(most)s;

-- name: lock_starting
-- Only one process at a time decides which backups start.
SELECT pg_advisory_xact_lock(hashtext('changeover.transfers'), 0);

-- name: kept_backups
-- Newest first, of the database of one backup: manual ones, or scheduled ones.
SELECT {columns} FROM transfers
 WHERE app_id = %(app_id)s AND kind = 'backup' AND is_succeeded AND (schedule_id IS NOT NULL) = %(is_scheduled)s
   AND (schedule_id = %(schedule_id)s OR (schedule_id IS NULL AND addon_id = %(addon_id)s))
 ORDER BY created_at DESC;

-- name: under_way
SELECT id FROM transfers WHERE finished_at IS NULL;

-- name: keys_under_way
SELECT object_key FROM transfers WHERE finished_at IS NULL AND object_key IS NOT NULL;

-- name: old_restores
-- Old records of restores and copies, and failed backups.
SELECT {columns} FROM transfers
 WHERE finished_at < now() - make_interval(days => %(days)s) AND (kind <> 'backup' OR is_succeeded IS NOT true);

-- name: of_no_app
SELECT {columns} FROM transfers WHERE app_id IS NULL AND finished_at IS NOT NULL;

-- name: schedule
INSERT INTO transfer_schedules (app_id, attachment, hour, timezone, next_at, verify_at)
VALUES (%(app_id)s, %(attachment)s, %(hour)s, %(timezone)s, %(next_at)s, now())
ON CONFLICT (app_id, attachment) DO UPDATE SET hour = excluded.hour, timezone = excluded.timezone, next_at = excluded.next_at
RETURNING {columns};

-- name: schedules
SELECT {columns} FROM transfer_schedules WHERE app_id = %(app_id)s ORDER BY attachment;

-- name: all_schedules
SELECT {columns} FROM transfer_schedules ORDER BY id;

-- name: bring_forward
UPDATE transfer_schedules SET next_at = %(next_at)s WHERE id = %(id)s AND next_at > %(next_at)s;

-- name: schedule_in_app
SELECT {columns} FROM transfer_schedules WHERE app_id = %(app_id)s AND id::text = %(key)s;

-- name: unschedule
DELETE FROM transfer_schedules WHERE id = %(id)s;

-- name: due_schedules
SELECT {columns} FROM transfer_schedules WHERE next_at <= now() ORDER BY next_at, id;

-- name: claim_schedule
-- Claims this due time. No row if another worker has claimed it.
UPDATE transfer_schedules SET next_at = %(next_at)s WHERE id = %(id)s AND next_at = %(due_at)s RETURNING {columns};

-- name: claim_verification
-- Once a week. No row if it isn't due.
UPDATE transfer_schedules SET verify_at = now() + interval '7 days' WHERE id = %(id)s AND verify_at <= now() RETURNING {columns};
