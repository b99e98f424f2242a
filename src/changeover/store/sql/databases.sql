-- name: add
INSERT INTO databases (addon_id, server_name, database_name, leader_id)
VALUES (%(addon_id)s, %(server_name)s, %(database_name)s, %(leader_id)s);

-- name: find
SELECT {columns} FROM databases_seen WHERE addon_id = %(addon_id)s;

-- name: followers
SELECT {columns} FROM databases_seen WHERE leader_id = %(addon_id)s ORDER BY created_at, addon_name;

-- name: at_address
SELECT {columns} FROM databases_seen WHERE address = %(address)s AND port = %(port)s AND database_name = %(database_name)s;

-- name: stand_alone
UPDATE databases SET leader_id = NULL, forked_from = %(forked_from)s WHERE addon_id = %(addon_id)s;

-- name: add_credential
INSERT INTO credentials (addon_id, name, user_name, password, state)
VALUES (%(addon_id)s, %(name)s, %(user_name)s, %(password)s, 'active');

-- name: copy_credentials
-- A follower has its leader's roles.
INSERT INTO credentials (addon_id, name, user_name, password, state)
SELECT %(addon_id)s, name, user_name, password, state FROM credentials WHERE addon_id = %(leader_id)s;

-- name: credentials
SELECT {columns} FROM credentials WHERE addon_id = %(addon_id)s ORDER BY name <> 'default', name;

-- name: lock_servers
LOCK TABLE servers IN SHARE ROW EXCLUSIVE MODE;

-- name: servers
SELECT {columns} FROM servers WHERE host = %(host)s ORDER BY created_at, name;

-- name: server
SELECT {columns} FROM servers WHERE name = %(name)s;

-- name: shared_with_room
SELECT {servers.columns} FROM servers
 WHERE host = %(host)s AND is_shared AND NOT is_retired AND address = %(address)s
   AND (SELECT count(*) FROM databases WHERE server_name = servers.name) < %(most)s
 ORDER BY created_at LIMIT 1;

-- name: add_server
INSERT INTO servers (name, host, engine, address, port, bin_directory, data_directory, socket_directory, size, is_shared)
VALUES (%(name)s, %(host)s, %(engine)s, %(address)s, %(port)s, %(bin_directory)s, %(data_directory)s,
        %(socket_directory)s, %(size)s, %(is_shared)s);

-- name: want_server
UPDATE servers SET is_wanted = %(is_wanted)s, trouble = NULL WHERE name = %(name)s;

-- name: set_trouble
UPDATE servers SET trouble = %(trouble)s WHERE name = %(name)s AND trouble IS DISTINCT FROM %(trouble)s;

-- name: retire_server_if_unused
UPDATE servers SET is_retired = true, is_wanted = false
 WHERE name = %(name)s AND NOT EXISTS (SELECT FROM databases WHERE server_name = %(name)s);

-- name: remove_server
DELETE FROM servers WHERE name = %(name)s AND is_retired;

-- name: try_lock_server
-- One run, or the keeper, at a time. Released with the connection.
SELECT pg_try_advisory_lock(hashtext('changeover.server'), hashtext(%(name)s));

-- name: unlock_server
SELECT pg_advisory_unlock(hashtext('changeover.server'), hashtext(%(name)s));
