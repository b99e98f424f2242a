-- depends: 0015.boots 0016.tell_of_changes
-- One table for changeovers of every method. Rows of `migrations` become rows of `changeovers`.
--
-- The previous version finds `migrations` as a view with triggers, in which everything stands where that version expects it.

ALTER TABLE changeovers
    ADD COLUMN method text NOT NULL DEFAULT 'follower' CHECK (method IN ('follower', 'snapshot')),
    ADD COLUMN source_url bytea,
    ADD COLUMN target_url bytea,
    ADD COLUMN mark text,
    ADD COLUMN options jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN hooks bytea,
    ADD COLUMN phase text,
    ADD COLUMN skips jsonb,
    ADD COLUMN copied jsonb,
    ADD COLUMN timeline jsonb,
    ADD COLUMN stopped jsonb,
    ADD COLUMN progress jsonb,
    ALTER COLUMN source_id DROP NOT NULL,
    ALTER COLUMN target_app_id DROP NOT NULL,
    ALTER COLUMN prediction SET DEFAULT '{}',
    DROP CONSTRAINT changeovers_hold_check,
    ADD CHECK (hold IN ('none', 'maintenance', 'pooled', 'read-only', 'pgbouncer', 'command')),
    ADD CHECK (num_nonnulls(source_id, source_url) = 1);
CREATE INDEX changeovers_mark ON changeovers (mark);

COMMENT ON COLUMN changeovers.method IS 'How rows reach the target';
COMMENT ON COLUMN changeovers.source_url IS 'Encrypted; of a source that is known by its address. Empty once the changeover has ended';
COMMENT ON COLUMN changeovers.mark IS 'The same for every attempt between the same two addresses: what the target''s ledger goes by';
COMMENT ON COLUMN changeovers.options IS 'What else was asked for; no secret';
COMMENT ON COLUMN changeovers.hooks IS 'The user''s commands, and the console of their pooler, encrypted';
COMMENT ON COLUMN changeovers.phase IS 'The last phase of the pause that was reached, for methods whose pause outlives a worker';
COMMENT ON COLUMN changeovers.skips IS 'What the checks said that the copy must leave out';
COMMENT ON COLUMN changeovers.copied IS 'What the copy reported';
COMMENT ON COLUMN changeovers.timeline IS 'The phases of the pause with their times';
COMMENT ON COLUMN changeovers.stopped IS 'Why it waits for a user to continue or abort it';

UPDATE changeovers SET report = '{}' WHERE report IS NULL;
ALTER TABLE changeovers ALTER COLUMN report SET DEFAULT '{}', ALTER COLUMN report SET NOT NULL;

-- The previous version writes through this, and so does what follows.
CREATE FUNCTION state.write_migration() RETURNS trigger LANGUAGE plpgsql SET search_path = state AS $write$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO changeovers (run_id, method, mark, source_name, target_name, source_url, target_url, hold, go_at, created_at)
        VALUES (NEW.run_id, 'snapshot', NEW.mark, NEW.source_name, NEW.target_name, NEW.source_url, NEW.target_url, 'none',
                '2000-01-01', coalesce(NEW.created_at, now()));
    END IF;
    UPDATE changeovers
       SET source_url = NEW.source_url, target_url = NEW.target_url, hold = coalesce(NEW.wish->>'hold', hold),
           options = NEW.wish - 'hold', hooks = NEW.hooks, held = NEW.held - 'hold' - 'since',
           held_at = coalesce((NEW.held->>'since')::timestamptz, held_at), stopped = NEW.stopped, progress = NEW.progress,
           skips = NEW.report->'skips', copied = NEW.report->'copy',
           prediction = CASE WHEN NEW.report->'forecast'->'downtime_s' IS NULL THEN prediction
                             ELSE jsonb_build_object('predicted_pause_s', NEW.report->'forecast'->'downtime_s',
                                                     'prediction_because', NEW.report->'forecast'->'because') END,
           report = coalesce(NEW.report - 'skips' - 'copy' - 'forecast', '{}')
     WHERE run_id = NEW.run_id;
    RETURN NEW;
END
$write$;

ALTER TABLE migrations RENAME TO former_migrations;
CREATE VIEW state.migrations AS
SELECT run_id, mark, source_url, target_url, source_name, target_name, options || jsonb_build_object('hold', hold) AS wish, hooks,
       held || jsonb_build_object('hold', hold, 'since', held_at) AS held, stopped, progress,
       report || CASE WHEN skips IS NULL THEN '{}' ELSE jsonb_build_object('skips', skips) END
              || CASE WHEN copied IS NULL THEN '{}' ELSE jsonb_build_object('copy', copied) END
              || CASE WHEN prediction ? 'predicted_pause_s'
                      THEN jsonb_build_object('forecast', jsonb_build_object('downtime_s', prediction->'predicted_pause_s',
                                                                             'because', prediction->'prediction_because'))
                      ELSE '{}' END AS report,
       created_at
  FROM state.changeovers WHERE method = 'snapshot';
CREATE TRIGGER write_migration INSTEAD OF INSERT OR UPDATE ON state.migrations
    FOR EACH ROW EXECUTE FUNCTION state.write_migration();

CREATE OR REPLACE VIEW public.migrations AS
SELECT run_id, mark, source_url, target_url, source_name, target_name, wish, hooks, held, stopped, progress, report, created_at
  FROM state.migrations;

INSERT INTO state.migrations (run_id, mark, source_url, target_url, source_name, target_name, wish, hooks, held, stopped, progress,
                              report, created_at)
SELECT run_id, mark, source_url, target_url, source_name, target_name, wish, hooks, held, stopped, progress, report, created_at
  FROM former_migrations;
DROP TABLE former_migrations;
