-- depends: 0002.processes
-- Changeovers: what the run alone can't keep. Each is one run, and has its number.

ALTER TABLE runs ADD COLUMN is_past_return boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN runs.is_past_return IS 'The point of no return is behind it: it is tried until it is done, and never undone';

CREATE TABLE changeovers (
    run_id bigint PRIMARY KEY REFERENCES runs,
    source_id uuid NOT NULL,
    source_name text NOT NULL,
    target_id uuid,
    target_name text,
    target_app_id uuid NOT NULL,
    plan text,
    hold text NOT NULL CHECK (hold IN ('maintenance', 'pooled')),
    go_at timestamptz,
    keep_source_days integer,
    ends_sessions boolean NOT NULL DEFAULT false,
    remark text,
    attempts integer NOT NULL DEFAULT 0,
    first_attempt_at timestamptz,
    armed_mark text,
    held jsonb,
    held_at timestamptz,
    end_of_source jsonb,
    switched_at timestamptz,
    released_at timestamptz,
    prediction jsonb NOT NULL,
    report jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN changeovers.plan IS 'Of the target that it makes; null: the target was there already';
COMMENT ON COLUMN changeovers.go_at IS 'When the pause may begin; null: once a person says so';
COMMENT ON COLUMN changeovers.armed_mark IS 'Whose fence may stand around the source: an attempt that was begun and not ended in order';
COMMENT ON COLUMN changeovers.held IS 'What the hold changed, for each app: what has to be brought back';
COMMENT ON COLUMN changeovers.end_of_source IS 'Written at the point of no return: identity and position up to which the target has everything';
