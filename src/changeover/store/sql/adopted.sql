-- name: lock
-- One adoption at a time, because two of the same database would not see each other.
SELECT pg_advisory_xact_lock(hashtext('changeover.adopt'));

-- name: add_server
INSERT INTO servers (name, engine, address, port, size, is_shared, parameters, system_identifier)
VALUES (%(name)s, 'external', %(address)s, %(port)s, '{}', false, %(parameters)s, %(system_identifier)s);

-- name: change_server
UPDATE servers SET address = %(address)s, port = %(port)s, parameters = %(parameters)s, system_identifier = %(system_identifier)s
 WHERE name = %(name)s AND engine = 'external';

-- name: change_credential
UPDATE credentials SET user_name = %(user_name)s, password = %(password)s WHERE addon_id = %(addon_id)s AND name = 'default';

-- name: of_identifier
SELECT {databases_seen.columns} FROM databases_seen JOIN servers ON servers.name = databases_seen.server_name
 WHERE servers.engine = 'external' AND servers.system_identifier = %(system_identifier)s AND database_name = %(database_name)s
 ORDER BY databases_seen.created_at;
