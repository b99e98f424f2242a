-- name: add
INSERT INTO accounts (email, is_operator) VALUES (%(email)s, %(is_operator)s) RETURNING {columns};

-- name: find
SELECT {columns} FROM accounts WHERE lower(email) = lower(%(key)s) OR id::text = %(key)s;

-- name: operator
SELECT {columns} FROM accounts WHERE is_operator;

-- name: by_authorization
SELECT {authorizations.columns} FROM authorizations WHERE token_hash = %(token_hash)s;

-- name: authorizations
SELECT {columns} FROM authorizations WHERE account_id = %(account_id)s ORDER BY created_at, id;

-- name: authorization
SELECT {columns} FROM authorizations WHERE id::text = lower(%(id)s) AND (account_id = %(account_id)s OR %(is_operator)s);

-- name: authorize
INSERT INTO authorizations (account_id, description, scope, token_hash, token_hint, is_operator, expires_at)
VALUES (%(account_id)s, %(description)s, %(scope)s, %(token_hash)s, %(token_hint)s, %(is_operator)s,
        now() + make_interval(secs => %(expires_in_s)s))
RETURNING {columns};

-- name: renew_token
UPDATE authorizations SET token_hash = %(token_hash)s, token_hint = %(token_hint)s, updated_at = now()
 WHERE id = %(id)s RETURNING {columns};

-- name: describe
UPDATE authorizations SET description = %(description)s, updated_at = now() WHERE id = %(id)s RETURNING {columns};

-- name: revoke
DELETE FROM authorizations WHERE id = %(id)s;

-- name: operator_authorization
SELECT {columns} FROM authorizations WHERE is_operator;
