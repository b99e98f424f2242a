-- depends: 0006.stopped_dynos
-- Databases that changeovers left behind: whether their fence stood when it was last tried, and who tried to enter.

CREATE TABLE old_sides (
    run_id bigint PRIMARY KEY REFERENCES changeovers ON DELETE CASCADE,
    probed_at timestamptz NOT NULL,
    finding text NOT NULL CHECK (finding IN ('fenced', 'down', 'open')),
    fenced_at timestamptz,
    breach jsonb,
    breaches integer NOT NULL DEFAULT 0,
    read_until text NOT NULL DEFAULT ''
);
COMMENT ON COLUMN old_sides.fenced_at IS 'When a login was refused the last time: the newest proof';
COMMENT ON COLUMN old_sides.breach IS 'The latest time that it was found open: since when at most, who was inside, what was done';
COMMENT ON COLUMN old_sides.read_until IS 'How far its server''s logs were searched for refused logins';

CREATE TABLE refusals (
    run_id bigint NOT NULL REFERENCES old_sides ON DELETE CASCADE,
    "user" text NOT NULL,
    database text NOT NULL,
    host text NOT NULL,
    times bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    PRIMARY KEY (run_id, "user", database, host)
);
