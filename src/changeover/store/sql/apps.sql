-- name: find
SELECT {columns} FROM apps_seen WHERE name = lower(%(key)s) OR id::text = %(key)s;

-- name: visible
SELECT {columns} FROM apps_seen
 WHERE %(everything)s
    OR (owner_id = %(caller)s AND (team_id IS NULL OR %(is_operator)s))
    OR id IN (SELECT app_id FROM collaborators WHERE account_id = %(caller)s)
    OR EXISTS (SELECT FROM team_members
                WHERE team_members.team_id = apps_seen.team_id AND account_id = %(caller)s
                  AND (role = 'admin' OR (role IN ('member', 'viewer') AND NOT is_locked)
                       OR (role = 'member' AND owner_id = %(caller)s)))
 ORDER BY name;

-- name: of_team
SELECT {columns} FROM apps_seen WHERE team_id = %(team_id)s ORDER BY name;

-- name: of_space
SELECT {columns} FROM apps_seen WHERE space_id = %(space_id)s ORDER BY name;

-- name: add
INSERT INTO apps (name, owner_id, team_id, space_id, region, stack, is_locked, is_internally_routed)
VALUES (%(name)s, %(owner_id)s, %(team_id)s, %(space_id)s, %(region)s, %(stack)s, %(is_locked)s, %(is_internally_routed)s)
ON CONFLICT (name) DO NOTHING
RETURNING id;

-- name: change
UPDATE apps SET name = coalesce(%(name)s, name), is_in_maintenance = coalesce(%(is_in_maintenance)s, is_in_maintenance),
                is_locked = coalesce(%(is_locked)s, is_locked), stack = coalesce(%(stack)s, stack),
                owner_id = coalesce(%(owner_id)s, owner_id), updated_at = now()
 WHERE id = %(id)s;

-- name: lock
SELECT id FROM apps WHERE id = %(id)s FOR UPDATE;

-- name: remove
DELETE FROM apps WHERE id = %(id)s;

-- name: collaborators
-- The owner first, as on Heroku, then all others by address.
SELECT apps.id, apps.owner_id AS account_id, owner_email AS email, 'owner' AS role, '{}'::text[] AS permissions,
       created_at, updated_at
  FROM apps_seen AS apps WHERE apps.id = %(id)s
 UNION ALL
(SELECT collaborators.id, account_id, email, 'collaborator', permissions, collaborators.created_at, collaborators.updated_at
   FROM collaborators JOIN accounts ON accounts.id = account_id
  WHERE app_id = %(id)s ORDER BY email);

-- name: collaborate
INSERT INTO collaborators (app_id, account_id, permissions) VALUES (%(app_id)s, %(account_id)s, %(permissions)s)
ON CONFLICT (app_id, account_id) DO UPDATE SET permissions = excluded.permissions, updated_at = now();

-- name: collaborate_once
-- Keeps the permissions of an existing collaborator.
INSERT INTO collaborators (app_id, account_id, permissions) VALUES (%(app_id)s, %(account_id)s, %(permissions)s)
ON CONFLICT (app_id, account_id) DO NOTHING;

-- name: stop_collaborating
DELETE FROM collaborators WHERE app_id = %(app_id)s AND account_id = %(account_id)s;

-- name: config
SELECT name, value FROM config_vars WHERE app_id = %(app_id)s ORDER BY name;

-- name: set_config
INSERT INTO config_vars (app_id, name, value) VALUES (%(app_id)s, %(name)s, %(value)s)
ON CONFLICT (app_id, name) DO UPDATE SET value = excluded.value;

-- name: unset_config
DELETE FROM config_vars WHERE app_id = %(app_id)s AND name = %(name)s;

-- name: clear_config
DELETE FROM config_vars WHERE app_id = %(app_id)s;
