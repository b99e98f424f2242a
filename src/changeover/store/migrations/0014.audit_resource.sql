-- depends: 0013.audit
-- What an act is about beside its app: an add-on, an account and what it was given, a token.

ALTER TABLE audit_events ADD COLUMN resource text;
