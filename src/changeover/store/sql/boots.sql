-- name: former
SELECT {columns} FROM former_dynos WHERE app_id = %(app_id)s ORDER BY name;

-- name: remember
INSERT INTO former_dynos (app_id, name, type, port, release, restarts, is_stopped)
VALUES (%(app_id)s, %(name)s, %(type)s, %(port)s, %(release)s, %(restarts)s, %(is_stopped)s);

-- name: forget
DELETE FROM former_dynos WHERE app_id = %(app_id)s;

-- name: forget_some
DELETE FROM former_dynos WHERE app_id = %(app_id)s AND name = ANY (%(names)s);

-- name: put_back
-- Dynos that were stopped in the meantime stay stopped.
INSERT INTO dynos (app_id, name, type, port, release, restarts, is_stopped)
SELECT app_id, name, type, port, release, restarts, is_stopped FROM former_dynos WHERE app_id = %(app_id)s
ON CONFLICT (app_id, name) DO UPDATE
   SET port = excluded.port, release = excluded.release, restarts = excluded.restarts,
       is_stopped = dynos.is_stopped OR excluded.is_stopped;

-- name: remove_new
DELETE FROM dynos WHERE app_id = %(app_id)s AND type = 'web'
   AND name NOT IN (SELECT name FROM former_dynos WHERE app_id = %(app_id)s);

-- name: fail
INSERT INTO boot_failures (release_id, said) VALUES (%(release_id)s, %(said)s) ON CONFLICT DO NOTHING;

-- name: failure
SELECT said FROM boot_failures WHERE release_id = %(release_id)s;

-- name: require
INSERT INTO required_releases (release_id) VALUES (%(release_id)s);

-- name: is_required
-- Whether there is a later release that dynos must use.
SELECT EXISTS (SELECT FROM required_releases JOIN releases ON releases.id = required_releases.release_id
                WHERE releases.app_id = %(app_id)s AND releases.version > %(version)s);
