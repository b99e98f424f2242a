-- name: add
INSERT INTO verifications (run_id, source_url, target_url, source_name, target_name, is_quick)
VALUES (%(run_id)s, %(source_url)s, %(target_url)s, %(source_name)s, %(target_name)s, %(is_quick)s);

-- name: find
SELECT {columns} FROM verifications WHERE run_id = %(run_id)s;

-- name: tell
UPDATE verifications SET progress = %(progress)s WHERE run_id = %(run_id)s;

-- name: finish
-- Nobody needs the addresses any more.
UPDATE verifications SET report = %(report)s, source_url = '', target_url = '' WHERE run_id = %(run_id)s;
