-- depends: 0006.stopped_dynos
-- Moving and comparing databases that somebody else runs. Each is one run, and has its number. Addresses hold passwords.

CREATE TABLE migrations (
    run_id bigint PRIMARY KEY REFERENCES runs,
    mark text NOT NULL,
    source_url bytea NOT NULL,
    target_url bytea NOT NULL,
    source_name text NOT NULL,
    target_name text NOT NULL,
    wish jsonb NOT NULL,
    hooks bytea,
    held jsonb,
    stopped jsonb,
    progress jsonb,
    report jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX migrations_mark ON migrations (mark);
COMMENT ON COLUMN migrations.mark IS 'The same for every attempt between the same two databases: what the target''s ledger goes by';
COMMENT ON COLUMN migrations.wish IS 'How writes are held, what is verified, and what else was asked for; no secret';
COMMENT ON COLUMN migrations.hooks IS 'Commands of the person, and the console of a pooler, encrypted';
COMMENT ON COLUMN migrations.held IS 'What the hold changed on the source: what has to be put back';
COMMENT ON COLUMN migrations.stopped IS 'Why it goes no further until somebody says so';

CREATE TABLE verifications (
    run_id bigint PRIMARY KEY REFERENCES runs,
    source_url bytea NOT NULL,
    target_url bytea NOT NULL,
    source_name text NOT NULL,
    target_name text NOT NULL,
    is_quick boolean NOT NULL,
    progress jsonb,
    report jsonb,
    created_at timestamptz NOT NULL DEFAULT now()
);
