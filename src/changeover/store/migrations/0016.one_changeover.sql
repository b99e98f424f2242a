-- depends: 0015.boots
-- One table for changeovers of every method. Rows of `migrations` become rows of `changeovers`.
--
-- The previous version finds `migrations` as an updatable view. What a column means differently now is put right by
-- `changeovers.adopt`, which runs at each start: rows that the previous version made after this are adopted as well.

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

INSERT INTO changeovers (run_id, method, source_url, target_url, source_name, target_name, mark, options, hooks, hold, held,
                         stopped, progress, report, created_at)
SELECT run_id, 'snapshot', source_url, target_url, source_name, target_name, mark, wish, hooks, wish->>'hold', held,
       stopped, progress, report, created_at
  FROM migrations;
UPDATE changeovers SET report = '{}' WHERE report IS NULL;
ALTER TABLE changeovers ALTER COLUMN report SET DEFAULT '{}', ALTER COLUMN report SET NOT NULL;

CREATE OR REPLACE VIEW public.migrations AS
SELECT run_id, mark, source_url, target_url, source_name, target_name, options AS wish, hooks, held, stopped, progress, report,
       created_at, method, hold
  FROM state.changeovers WHERE method = 'snapshot';
ALTER VIEW public.migrations ALTER COLUMN method SET DEFAULT 'snapshot', ALTER COLUMN hold SET DEFAULT 'none';
DROP TABLE state.migrations;
CREATE VIEW state.migrations AS
SELECT run_id, mark, source_url, target_url, source_name, target_name, options AS wish, hooks, held, stopped, progress, report,
       created_at, method, hold
  FROM state.changeovers WHERE method = 'snapshot';
ALTER VIEW state.migrations ALTER COLUMN method SET DEFAULT 'snapshot', ALTER COLUMN hold SET DEFAULT 'none';
