-- name: find
SELECT {columns} FROM addons_seen WHERE name = lower(%(key)s) OR id::text = %(key)s;

-- name: of_app
SELECT {columns} FROM addons_seen WHERE app_id = %(app_id)s ORDER BY created_at, name;

-- name: of_service
-- Add-ons of a service that the app owns or has attached.
SELECT DISTINCT {addons_seen.columns} FROM addons_seen
  LEFT JOIN attachments ON attachments.addon_id = addons_seen.id
 WHERE service = %(service)s AND (addons_seen.app_id = %(app_id)s OR attachments.app_id = %(app_id)s)
 ORDER BY created_at, name;

-- name: attached_as
-- By attachment name or config var, also of add-ons owned elsewhere.
SELECT DISTINCT {addons_seen.columns} FROM addons_seen
  JOIN attachments ON attachments.addon_id = addons_seen.id
 WHERE attachments.app_id = %(app_id)s AND upper(%(key)s) IN (attachments.name, attachments.name || '_URL');

-- name: visible
SELECT {columns} FROM addons_seen WHERE app_id = ANY (%(apps)s) ORDER BY app_name, created_at, name;

-- name: add
INSERT INTO addons (name, app_id, service, plan, state)
VALUES (%(name)s, %(app_id)s, %(service)s, %(plan)s, 'provisioning')
ON CONFLICT (name) DO NOTHING
RETURNING id;

-- name: set_state
UPDATE addons SET state = %(state)s, updated_at = now() WHERE id = %(id)s;

-- name: rename
UPDATE addons SET name = %(name)s, updated_at = now() WHERE id = %(id)s;

-- name: lock_for_destroying
-- Does not lock the row: a run locks its own row first and then this one, so the reverse order could deadlock.
SELECT pg_advisory_xact_lock(hashtext('changeover.destroy'), hashtext(%(id)s::text));

-- name: remove
DELETE FROM addons WHERE id = %(id)s;
