-- name: add
-- Of databases of ours.
INSERT INTO changeovers (run_id, method, source_id, source_name, target_id, target_name, target_app_id, plan, hold, go_at,
                         keep_source_days, ends_sessions, prediction)
VALUES (%(run_id)s, %(method)s, %(source_id)s, %(source_name)s, %(target_id)s, %(target_name)s, %(target_app_id)s, %(plan)s,
        %(hold)s, %(go_at)s, %(keep_source_days)s, %(ends_sessions)s, %(prediction)s);

-- name: add_between_addresses
INSERT INTO changeovers (run_id, method, mark, source_url, target_url, source_name, target_name, hold, options, hooks, go_at)
VALUES (%(run_id)s, %(method)s, %(mark)s, %(source_url)s, %(target_url)s, %(source_name)s, %(target_name)s, %(hold)s,
        %(options)s, %(hooks)s, %(go_at)s);

-- name: find
SELECT {columns} FROM changeovers WHERE run_id = %(run_id)s;

-- name: of_runs
SELECT {columns} FROM changeovers WHERE run_id = ANY (%(runs)s);

-- name: set_target
UPDATE changeovers SET target_id = %(target_id)s, target_name = %(target_name)s WHERE run_id = %(run_id)s;

-- name: go
UPDATE changeovers SET go_at = %(go_at)s, first_attempt_at = NULL, remark = NULL, stopped = NULL,
                       ends_sessions = ends_sessions OR %(ends_sessions)s
 WHERE run_id = %(run_id)s;

-- name: withdraw
-- Back to waiting for a person.
UPDATE changeovers SET go_at = NULL, first_attempt_at = NULL, remark = %(remark)s WHERE run_id = %(run_id)s;

-- name: hold
-- What it changed; again when a later look changed more. `held_at` is when it began.
UPDATE changeovers SET held = %(held)s, held_at = CASE WHEN held IS NULL THEN now() ELSE held_at END
 WHERE run_id = %(run_id)s
RETURNING {columns};

-- name: let_go
UPDATE changeovers SET held = NULL WHERE run_id = %(run_id)s;

-- name: attempt
UPDATE changeovers SET attempts = attempts + 1, first_attempt_at = coalesce(first_attempt_at, now())
 WHERE run_id = %(run_id)s
RETURNING {columns};

-- name: arm
UPDATE changeovers SET armed_mark = %(mark)s WHERE run_id = %(run_id)s;

-- name: disarm
UPDATE changeovers SET armed_mark = NULL WHERE run_id = %(run_id)s;

-- name: pass
UPDATE changeovers SET end_of_source = %(end_of_source)s WHERE run_id = %(run_id)s;

-- name: reach
UPDATE changeovers SET phase = %(phase)s WHERE run_id = %(run_id)s RETURNING {columns};

-- name: switched
UPDATE changeovers SET switched_at = now() WHERE run_id = %(run_id)s;

-- name: released
UPDATE changeovers SET released_at = coalesce(released_at, now()), phase = 'released' WHERE run_id = %(run_id)s;

-- name: keep_timeline
UPDATE changeovers SET timeline = %(timeline)s WHERE run_id = %(run_id)s;

-- name: report
-- Adds to what is reported already.
UPDATE changeovers SET report = report || %(report)s::jsonb WHERE run_id = %(run_id)s;

-- name: checked
UPDATE changeovers SET skips = %(skips)s, prediction = %(prediction)s WHERE run_id = %(run_id)s;

-- name: copied
UPDATE changeovers SET copied = %(copied)s WHERE run_id = %(run_id)s;

-- name: tell
UPDATE changeovers SET progress = %(progress)s WHERE run_id = %(run_id)s;

-- name: stop
UPDATE changeovers SET stopped = %(stopped)s WHERE run_id = %(run_id)s;

-- name: continue
-- With the addresses as they were given now: a password may have changed.
UPDATE changeovers SET stopped = NULL, source_url = %(source_url)s, target_url = %(target_url)s WHERE run_id = %(run_id)s;

-- name: change_options
UPDATE changeovers SET hold = %(hold)s, options = %(options)s, hooks = %(hooks)s WHERE run_id = %(run_id)s;

-- name: forget_addresses
-- Nothing needs them after the end.
UPDATE changeovers SET source_url = '', target_url = '', hooks = NULL WHERE run_id = %(run_id)s;

-- name: unfinished_between
-- The account's between those two addresses, if there is one.
SELECT {changeovers.columns} FROM changeovers JOIN runs ON runs.id = run_id
 WHERE mark = ANY (%(marks)s) AND runs.account_id = %(account_id)s AND runs.finished_at IS NULL;

-- name: finished_between
-- The account's last between those two addresses, if it was done.
SELECT {changeovers.columns} FROM changeovers JOIN runs ON runs.id = run_id
 WHERE runs.status = 'done'
   AND run_id = (SELECT max(run_id) FROM changeovers JOIN runs ON runs.id = run_id
                  WHERE mark = ANY (%(marks)s) AND runs.account_id = %(account_id)s);

-- name: moved_from
-- The newest changeover that left this database behind.
SELECT {columns} FROM changeovers WHERE source_id = %(source_id)s AND switched_at IS NOT NULL ORDER BY run_id DESC LIMIT 1;

-- name: sources_to_destroy
SELECT {changeovers.columns} FROM changeovers JOIN addons ON addons.id = source_id
 WHERE released_at + make_interval(days => keep_source_days) < now() AND addons.state = 'provisioned';

-- name: latest_switches
-- Seconds that the newest changeovers with this hold took, without the dynos' own times; as they went by themselves:
-- at the first attempt, by one driver.
SELECT CASE hold WHEN 'pooled' THEN (report->>'pause_s')::float
                 ELSE extract(epoch FROM switched_at - first_attempt_at)::float END AS seconds
  FROM changeovers
 WHERE hold = %(hold)s AND released_at IS NOT NULL AND first_attempt_at IS NOT NULL
   AND (hold = 'pooled' OR attempts = 1) AND report->'timeline'->0->>'phase' = 'armed'
 ORDER BY run_id DESC LIMIT %(most)s;

-- name: latest_dyno_changes
-- Seconds that the newest changes of an app's dynos took whose note is like this.
SELECT extract(epoch FROM runs.finished_at - runs.step_began_at)::float AS seconds
  FROM runs JOIN run_journal ON run_journal.run_id = runs.id AND run_journal.event = 'done'
 WHERE runs.kind IN ('dynos', 'release') AND runs.status = 'done' AND runs.step = 'apply'
   AND runs.app_id = %(app_id)s AND run_journal.step = 'apply' AND run_journal.detail ~ %(note)s
 ORDER BY runs.id DESC LIMIT %(most)s;

-- name: adopt_timelines
UPDATE changeovers SET timeline = report->'timeline'
 WHERE method = 'follower' AND timeline IS NULL AND report ? 'timeline';

-- name: adopt_phases
-- What the previous version's step says of the pause of a snapshot; and that what is done is past every phase.
UPDATE changeovers
   SET phase = CASE WHEN status = 'done' THEN 'released' WHEN step = 'copy' THEN 'held' WHEN step = 'verify' THEN 'copied'
                    WHEN step = 'switch' THEN 'compared' WHEN step = 'release' THEN 'routed' WHEN step = 'tidy' THEN 'released' END
  FROM runs
 WHERE runs.id = run_id AND phase IS NULL
   AND (status = 'done'
        OR finished_at IS NULL AND kind = 'migrate' AND step IN ('copy', 'verify', 'switch', 'release', 'tidy'));

-- name: adopt_steps
-- The names of steps since both methods have the same ones. A higher epoch stops a worker of the previous version.
UPDATE runs
   SET step = CASE step WHEN 'look' THEN 'check' WHEN 'provision' THEN 'prepare' WHEN 'restore' THEN 'release'
                        WHEN 'report' THEN 'finish' WHEN 'tidy' THEN 'finish' ELSE 'cut_over' END,
       epoch = epoch + CASE WHEN finished_at IS NULL THEN 1 ELSE 0 END
 WHERE kind = 'changeover' AND step IN ('look', 'provision', 'restore', 'report')
    OR kind = 'migrate' AND step IN ('hold', 'copy', 'verify', 'switch', 'tidy');
