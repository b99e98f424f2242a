-- name: add
INSERT INTO slugs (id, app_id, process_types, directory, bytes, checksum)
VALUES (%(id)s, %(app_id)s, %(process_types)s, %(directory)s, %(bytes)s, %(checksum)s)
RETURNING {columns};

-- name: find
SELECT {columns} FROM slugs WHERE id = %(id)s;

-- name: current
-- The code of the newest release, even if that has not succeeded yet. If there is none, of the newest whose web
-- dynos have not listened, because it may only lack a config var.
SELECT {slugs.columns}
  FROM releases JOIN slugs ON slugs.id = releases.slug_id
 WHERE releases.app_id = %(app_id)s
   AND (releases.status IN ('succeeded', 'pending') OR releases.id IN (SELECT release_id FROM boot_failures))
 ORDER BY releases.status IN ('succeeded', 'pending') DESC, version DESC LIMIT 1;

-- name: any
SELECT EXISTS (SELECT FROM slugs);

-- name: directories
SELECT directory FROM slugs WHERE app_id = %(app_id)s;
