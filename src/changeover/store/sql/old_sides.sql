-- name: to_probe
-- Changeovers whose source is there still, on this host, switched off.
SELECT {changeovers.columns} FROM changeovers
  JOIN addons ON addons.id = source_id AND addons.state = 'provisioned'
  JOIN databases ON databases.addon_id = source_id
  JOIN servers ON servers.name = databases.server_name
 WHERE switched_at IS NOT NULL AND servers.host = %(host)s
 ORDER BY run_id;

-- name: find
SELECT {columns} FROM old_sides WHERE run_id = %(run_id)s;

-- name: put
INSERT INTO old_sides (run_id, probed_at, finding, fenced_at, breach, breaches, read_until)
VALUES (%(run_id)s, %(probed_at)s, %(finding)s, %(fenced_at)s, %(breach)s, %(breaches)s, %(read_until)s)
ON CONFLICT (run_id) DO UPDATE
   SET probed_at = excluded.probed_at, finding = excluded.finding, read_until = excluded.read_until,
       fenced_at = coalesce(excluded.fenced_at, old_sides.fenced_at), breach = coalesce(excluded.breach, old_sides.breach),
       breaches = old_sides.breaches + excluded.breaches;

-- name: refusals
SELECT "user", database, host, times, first_at, last_at FROM refusals WHERE run_id = %(run_id)s ORDER BY times DESC, last_at DESC;

-- name: count_refusals
INSERT INTO refusals (run_id, "user", database, host, times, first_at, last_at)
VALUES (%(run_id)s, %(user)s, %(database)s, %(host)s, %(times)s, %(first_at)s, %(last_at)s)
ON CONFLICT (run_id, "user", database, host) DO UPDATE
   SET times = refusals.times + excluded.times, last_at = excluded.last_at;
