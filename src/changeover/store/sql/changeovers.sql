-- name: add
INSERT INTO changeovers (run_id, source_id, source_name, target_id, target_name, target_app_id, plan, hold, go_at,
                         keep_source_days, ends_sessions, prediction)
VALUES (%(run_id)s, %(source_id)s, %(source_name)s, %(target_id)s, %(target_name)s, %(target_app_id)s, %(plan)s, %(hold)s,
        %(go_at)s, %(keep_source_days)s, %(ends_sessions)s, %(prediction)s);

-- name: find
SELECT {columns} FROM changeovers WHERE run_id = %(run_id)s;

-- name: of_runs
SELECT {columns} FROM changeovers WHERE run_id = ANY (%(runs)s);

-- name: set_target
UPDATE changeovers SET target_id = %(target_id)s, target_name = %(target_name)s WHERE run_id = %(run_id)s;

-- name: go
UPDATE changeovers SET go_at = %(go_at)s, first_attempt_at = NULL, remark = NULL,
                       ends_sessions = ends_sessions OR %(ends_sessions)s
 WHERE run_id = %(run_id)s;

-- name: withdraw
-- Back to waiting for a person.
UPDATE changeovers SET go_at = NULL, first_attempt_at = NULL, remark = %(remark)s WHERE run_id = %(run_id)s;

-- name: hold
UPDATE changeovers SET held = %(held)s, held_at = now() WHERE run_id = %(run_id)s RETURNING {columns};

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

-- name: switched
UPDATE changeovers SET switched_at = now() WHERE run_id = %(run_id)s;

-- name: released
UPDATE changeovers SET released_at = coalesce(released_at, now()) WHERE run_id = %(run_id)s;

-- name: set_report
UPDATE changeovers SET report = %(report)s WHERE run_id = %(run_id)s;

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
