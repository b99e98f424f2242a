-- name: of_addon
-- First the one whose URL attachments have.
SELECT {columns} FROM poolers WHERE addon_id = %(addon_id)s ORDER BY leads_since DESC, name;

-- name: of_host
SELECT {columns} FROM poolers WHERE host = %(host)s ORDER BY name;

-- name: is_in_a_pause
-- A changeover controls it, and restarts it itself.
SELECT EXISTS (
    SELECT FROM changeovers JOIN runs ON runs.id = run_id JOIN poolers ON poolers.addon_id IN (source_id, target_id)
     WHERE poolers.name = %(name)s AND armed_mark IS NOT NULL AND finished_at IS NULL AND step = 'cut_over');

-- name: lock_making
-- Until the transaction ends, because a pooler is started before its row is visible.
SELECT pg_advisory_xact_lock(hashtext('changeover.poolers'), hashtext(%(host)s));

-- name: try_lock_making
SELECT pg_try_advisory_xact_lock(hashtext('changeover.poolers'), hashtext(%(host)s));

-- name: add
INSERT INTO poolers (name, host, address, port, folder, socket_directory, addon_id)
VALUES (%(name)s, %(host)s, %(address)s, %(port)s, %(folder)s, %(socket_directory)s, %(addon_id)s);

-- name: move
UPDATE poolers SET addon_id = %(target_id)s, leads_since = now() WHERE addon_id = %(source_id)s;

-- name: set_trouble
UPDATE poolers SET trouble = %(trouble)s WHERE name = %(name)s AND trouble IS DISTINCT FROM %(trouble)s;
