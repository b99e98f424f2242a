-- depends: 0006.stopped_dynos
-- Transfers: backups into the bucket, restores, copies; and the daily schedules of backups. Addresses hold passwords.

CREATE TABLE transfer_numbers (
    app_id uuid PRIMARY KEY REFERENCES apps ON DELETE CASCADE,
    last integer NOT NULL
);

CREATE TABLE transfer_schedules (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    attachment text NOT NULL,
    hour integer NOT NULL CHECK (hour BETWEEN 0 AND 23),
    timezone text NOT NULL,
    next_at timestamptz NOT NULL,
    verify_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app_id, attachment)
);
CREATE INDEX transfer_schedules_next ON transfer_schedules (next_at);
COMMENT ON COLUMN transfer_schedules.attachment IS 'Whose database is backed up: the one that has this name in the app when the time comes';
COMMENT ON COLUMN transfer_schedules.verify_at IS 'From when on the newest backup is to be restored into a scratch server';

CREATE TABLE transfers (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid REFERENCES apps ON DELETE SET NULL,
    number integer NOT NULL,
    kind text NOT NULL CHECK (kind IN ('backup', 'restore', 'copy')),
    addon_id uuid,
    schedule_id uuid,
    run_id bigint REFERENCES runs ON DELETE SET NULL,
    from_name text NOT NULL,
    to_name text NOT NULL,
    from_url bytea,
    to_url bytea,
    extensions text[] NOT NULL DEFAULT '{}',
    object_key text,
    source_bytes bigint,
    processed_bytes bigint NOT NULL DEFAULT 0,
    progress jsonb,
    warnings integer NOT NULL DEFAULT 0,
    is_succeeded boolean,
    verified jsonb,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    cancelled_at timestamptz,
    UNIQUE (app_id, number)
);
CREATE INDEX transfers_unfinished ON transfers (created_at) WHERE finished_at IS NULL;
COMMENT ON COLUMN transfers.app_id IS 'Null once the app is destroyed: then the backup is removed from the bucket';
COMMENT ON COLUMN transfers.addon_id IS 'The database of ours that is read (backup) or written; null: somebody else''s. It may be gone by now';
COMMENT ON COLUMN transfers.schedule_id IS 'Which schedule made it; null: a person. The schedule may be gone by now';
COMMENT ON COLUMN transfers.run_id IS 'Null while a backup waits for its turn';
COMMENT ON COLUMN transfers.verified IS 'What the newest restore into a scratch server found: at, tables, rows; or at and error';

CREATE TABLE transfer_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transfer_id uuid NOT NULL REFERENCES transfers ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    level text NOT NULL,
    message text NOT NULL
);
CREATE INDEX transfer_log_transfer ON transfer_log (transfer_id, id);
