-- name: add
INSERT INTO releases (app_id, version, description, status, account_id, config, addon_plan_names)
SELECT %(app_id)s, coalesce(max(version), 0) + 1, %(description)s, 'succeeded', %(account_id)s, %(config)s,
       ARRAY(SELECT service || ':' || plan FROM addons WHERE app_id = %(app_id)s ORDER BY service, plan)
  FROM releases WHERE app_id = %(app_id)s
RETURNING version;

-- name: touch_app
UPDATE apps SET released_at = now(), updated_at = now() WHERE id = %(app_id)s;

-- name: of_app
SELECT releases.*, apps.name AS app_name, accounts.email,
       version = max(version) FILTER (WHERE status = 'succeeded') OVER () AS is_current
  FROM releases
  JOIN apps ON apps.id = releases.app_id
  JOIN accounts ON accounts.id = releases.account_id
 WHERE app_id = %(app_id)s
 ORDER BY version;

-- name: find
SELECT * FROM (
    SELECT releases.*, apps.name AS app_name, accounts.email,
           version = max(version) FILTER (WHERE status = 'succeeded') OVER () AS is_current
      FROM releases
      JOIN apps ON apps.id = releases.app_id
      JOIN accounts ON accounts.id = releases.account_id
     WHERE app_id = %(app_id)s) AS numbered
 WHERE id::text = %(key)s OR version::text = ltrim(%(key)s, 'v');
