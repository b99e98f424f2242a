-- name: add
INSERT INTO slugs (id, app_id, process_types, directory, bytes, checksum)
VALUES (%(id)s, %(app_id)s, %(process_types)s, %(directory)s, %(bytes)s, %(checksum)s)
RETURNING {columns};

-- name: find
SELECT {columns} FROM slugs WHERE id = %(id)s;

-- name: current
-- The code of the newest release, whether that one has succeeded yet or not.
SELECT {slugs.columns} FROM releases JOIN slugs ON slugs.id = releases.slug_id
 WHERE releases.app_id = %(app_id)s AND releases.status IN ('succeeded', 'pending')
 ORDER BY version DESC LIMIT 1;

-- name: any
SELECT EXISTS (SELECT FROM slugs);

-- name: directories
SELECT directory FROM slugs WHERE app_id = %(app_id)s;
