-- name: of_app
SELECT {columns} FROM attachments_seen WHERE app_id = %(app_id)s ORDER BY ordinal;

-- name: of_addon
SELECT {columns} FROM attachments_seen WHERE addon_id = %(addon_id)s ORDER BY ordinal;

-- name: of_apps
SELECT {columns} FROM attachments_seen WHERE app_id = ANY (%(apps)s) OR addon_app_id = ANY (%(apps)s) ORDER BY ordinal;

-- name: find_in_app
SELECT {columns} FROM attachments_seen
 WHERE app_id = %(app_id)s AND (upper(%(key)s) IN (name, name || '_URL') OR id::text = %(key)s);

-- name: of_addon_in_app
SELECT {columns} FROM attachments_seen
 WHERE app_id = %(app_id)s AND (addon_name = lower(%(key)s) OR addon_id::text = %(key)s)
 ORDER BY ordinal;

-- name: by_id
SELECT {columns} FROM attachments_seen WHERE id::text = %(key)s;

-- name: add
INSERT INTO attachments (app_id, addon_id, name, namespace) VALUES (%(app_id)s, %(addon_id)s, %(name)s, %(namespace)s)
RETURNING id::text;

-- name: remove
DELETE FROM attachments WHERE id = %(id)s;

-- name: move
-- All attachments of one database now belong to another.
UPDATE attachments SET addon_id = %(target_id)s, updated_at = now() WHERE addon_id = %(source_id)s;
