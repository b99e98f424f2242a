-- name: add
INSERT INTO migrations (run_id, mark, source_url, target_url, source_name, target_name, wish, hooks)
VALUES (%(run_id)s, %(mark)s, %(source_url)s, %(target_url)s, %(source_name)s, %(target_name)s, %(wish)s, %(hooks)s);

-- name: find
SELECT {columns} FROM migrations WHERE run_id = %(run_id)s;

-- name: unfinished
-- The account's between those two databases, if there is one.
SELECT {migrations.columns} FROM migrations JOIN runs ON runs.id = run_id
 WHERE mark = ANY (%(marks)s) AND runs.account_id = %(account_id)s AND runs.finished_at IS NULL;

-- name: of_runs
SELECT {columns} FROM migrations WHERE run_id = ANY (%(runs)s);

-- name: go_on
-- With the addresses as they were given now: a password may have changed.
UPDATE migrations SET stopped = NULL, source_url = %(source_url)s, target_url = %(target_url)s WHERE run_id = %(run_id)s;

-- name: change
UPDATE migrations SET wish = %(wish)s, hooks = %(hooks)s WHERE run_id = %(run_id)s;

-- name: finished
-- The account's last one between those two databases, if it was done.
SELECT {migrations.columns} FROM migrations JOIN runs ON runs.id = run_id
 WHERE runs.status = 'done'
   AND run_id = (SELECT max(run_id) FROM migrations JOIN runs ON runs.id = run_id
                  WHERE mark = ANY (%(marks)s) AND runs.account_id = %(account_id)s);

-- name: stop
UPDATE migrations SET stopped = %(stopped)s WHERE run_id = %(run_id)s;

-- name: hold
UPDATE migrations SET held = %(held)s WHERE run_id = %(run_id)s;

-- name: tell
UPDATE migrations SET progress = %(progress)s WHERE run_id = %(run_id)s;

-- name: report
-- Adds to what is reported already.
UPDATE migrations SET report = report || %(report)s::jsonb WHERE run_id = %(run_id)s;

-- name: forget_secrets
-- Once it has ended nobody needs the addresses any more.
UPDATE migrations SET source_url = '', target_url = '', hooks = NULL WHERE run_id = %(run_id)s;
