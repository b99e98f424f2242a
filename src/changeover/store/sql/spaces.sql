-- name: find
SELECT {columns} FROM spaces_seen WHERE name = %(key)s OR id::text = %(key)s;

-- name: visible
SELECT {columns} FROM spaces_seen
 WHERE %(is_operator)s OR team_id IN (SELECT team_id FROM team_members WHERE account_id = %(caller)s AND role <> 'collaborator')
 ORDER BY name;

-- name: add
INSERT INTO spaces (name, team_id, region, is_shield, cidr, data_cidr, address, state)
VALUES (%(name)s, %(team_id)s, %(region)s, %(is_shield)s, %(cidr)s, %(data_cidr)s, %(address)s, 'allocated')
ON CONFLICT (name) DO NOTHING
RETURNING id;

-- name: addresses
SELECT address FROM spaces;

-- name: lock
LOCK TABLE spaces IN SHARE ROW EXCLUSIVE MODE;

-- name: rename
UPDATE spaces SET name = %(name)s, updated_at = now() WHERE id = %(id)s;

-- name: remove
DELETE FROM spaces WHERE id = %(id)s;
