-- depends: 0011.state_schema
-- Who did what, when, from where: one row for each act, written in the transaction of the act.
-- Refusals, failures and readings of secrets are merged: equal ones of one minute are one row with a count.

CREATE TABLE audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    account_id uuid,
    email text,
    authorization_id uuid,
    action text NOT NULL,
    path text NOT NULL,
    app_id uuid,
    app text,
    address text,
    request_id text,
    outcome text NOT NULL CHECK (outcome IN ('done', 'failed', 'refused')),
    error text,
    times integer NOT NULL DEFAULT 1,
    merges_as text NOT NULL UNIQUE
);
CREATE INDEX audit_events_app ON audit_events (app_id, id);
CREATE INDEX audit_events_account ON audit_events (account_id, id);
CREATE INDEX audit_events_at ON audit_events (at);
COMMENT ON COLUMN audit_events.account_id IS 'No reference: what an account or an app did outlives it';
COMMENT ON COLUMN audit_events.action IS 'Method and path of the route';
COMMENT ON COLUMN audit_events.merges_as IS 'An act: its request. Otherwise who, what, where, how it ended, and the minute';
