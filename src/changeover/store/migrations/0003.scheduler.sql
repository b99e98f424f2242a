-- depends: 0002.processes
-- The Scheduler: commands that run as one-offs at set times. Times of schedules are UTC.

CREATE TABLE schedulers (
    app_id uuid PRIMARY KEY REFERENCES apps,
    addon_id uuid NOT NULL UNIQUE REFERENCES addons ON DELETE CASCADE,
    held_by text CHECK (held_by IN ('maintenance', 'hand'))
);
COMMENT ON COLUMN schedulers.held_by IS 'None of its jobs starts while this is set; maintenance mode only ends its own hold';

CREATE TABLE scheduled_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    app_id uuid NOT NULL REFERENCES schedulers ON DELETE CASCADE,
    command text NOT NULL,
    cron text NOT NULL,
    size text NOT NULL,
    next_at timestamptz NOT NULL,
    last_at timestamptz,
    last_dyno text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX scheduled_jobs_app ON scheduled_jobs (app_id);
CREATE INDEX scheduled_jobs_next ON scheduled_jobs (next_at);
COMMENT ON COLUMN scheduled_jobs.next_at IS 'Moved on before the job is started: who is killed in between loses this run, and doubles none';
