-- name: add
INSERT INTO releases (app_id, version, description, status, account_id, config, environment, slug_id, output_key,
                      addon_plan_names)
SELECT %(app_id)s, coalesce(max(version), 0) + 1, %(description)s, %(status)s, %(account_id)s, %(config)s, %(environment)s,
       %(slug_id)s, %(output_key)s,
       ARRAY(SELECT service || ':' || plan FROM addons WHERE app_id = %(app_id)s ORDER BY service, plan)
  FROM releases WHERE app_id = %(app_id)s
RETURNING id, version, (SELECT name FROM apps WHERE apps.id = app_id) AS app_name;

-- name: touch_app
UPDATE apps SET released_at = now(), updated_at = now() WHERE id = %(app_id)s;

-- name: of_app
SELECT {releases.columns but app_name, email, is_current, failure}, apps.name AS app_name, accounts.email,
       (SELECT said FROM boot_failures WHERE release_id = releases.id) AS failure,
       version = max(version) FILTER (WHERE status = 'succeeded') OVER () AS is_current
  FROM releases
  JOIN apps ON apps.id = releases.app_id
  JOIN accounts ON accounts.id = releases.account_id
 WHERE app_id = %(app_id)s
 ORDER BY version;

-- name: find
SELECT {columns} FROM (
    SELECT {releases.columns but app_name, email, is_current, failure}, apps.name AS app_name, accounts.email,
       (SELECT said FROM boot_failures WHERE release_id = releases.id) AS failure,
           version = max(version) FILTER (WHERE status = 'succeeded') OVER () AS is_current
      FROM releases
      JOIN apps ON apps.id = releases.app_id
      JOIN accounts ON accounts.id = releases.account_id
     WHERE app_id = %(app_id)s) AS numbered
 WHERE id::text = %(key)s OR version::text = regexp_replace(%(key)s, '^v', '');

-- name: current
-- The release of the dynos: the newest that succeeded. If none with code did, the newest whose web dynos have not listened yet.
SELECT {releases.columns but app_name, email, is_current, failure}, apps.name AS app_name, accounts.email,
       (SELECT said FROM boot_failures WHERE release_id = releases.id) AS failure, true AS is_current
  FROM releases
  JOIN apps ON apps.id = releases.app_id
  JOIN accounts ON accounts.id = releases.account_id
 WHERE app_id = %(app_id)s
   AND (status = 'succeeded' OR releases.id IN (SELECT release_id FROM boot_failures))
 ORDER BY status = 'succeeded' AND slug_id IS NOT NULL DESC, slug_id IS NOT NULL DESC, version DESC LIMIT 1;

-- name: set_status
UPDATE releases SET status = %(status)s, updated_at = now() WHERE id = %(id)s;

-- name: by_output_key
SELECT {releases.columns but app_name, email, is_current, failure}, apps.name AS app_name, accounts.email,
       (SELECT said FROM boot_failures WHERE release_id = releases.id) AS failure, false AS is_current
  FROM releases
  JOIN apps ON apps.id = releases.app_id
  JOIN accounts ON accounts.id = releases.account_id
 WHERE output_key = %(key)s;

-- name: by_id
SELECT {releases.columns but app_name, email, is_current, failure}, apps.name AS app_name, accounts.email,
       (SELECT said FROM boot_failures WHERE release_id = releases.id) AS failure, false AS is_current
  FROM releases
  JOIN apps ON apps.id = releases.app_id
  JOIN accounts ON accounts.id = releases.account_id
 WHERE releases.id = %(id)s;

-- name: reaching_dynos
-- Runs that are starting an app's dynos with a release. Not those whose release phase has not ended, which may never do that.
SELECT {runs.columns} FROM runs JOIN releases ON releases.id::text = runs.input->>'release_id'
 WHERE runs.kind = 'release' AND runs.finished_at IS NULL
   AND releases.app_id = %(app_id)s AND releases.status = 'succeeded'
 ORDER BY runs.id;
