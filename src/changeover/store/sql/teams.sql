-- name: find
SELECT {teams.columns but role}, team_members.role FROM teams
  LEFT JOIN team_members ON team_members.team_id = teams.id AND team_members.account_id = %(caller)s
 WHERE teams.name = %(key)s OR teams.id::text = %(key)s;

-- name: of_account
SELECT {teams.columns but role}, team_members.role FROM teams
  JOIN team_members ON team_members.team_id = teams.id AND team_members.account_id = %(caller)s
 ORDER BY teams.name;

-- name: add
INSERT INTO teams (name) VALUES (%(name)s) ON CONFLICT (name) DO NOTHING;

-- name: join
INSERT INTO team_members (team_id, account_id, role) VALUES (%(team_id)s, %(account_id)s, %(role)s)
ON CONFLICT (team_id, account_id) DO UPDATE SET role = excluded.role, updated_at = now();

-- name: lock
-- Serializes changes of its members, because two admins who demote each other would leave the team without one.
SELECT FROM teams WHERE id = %(team_id)s FOR NO KEY UPDATE;

-- name: leave
DELETE FROM team_members WHERE team_id = %(team_id)s AND account_id = %(account_id)s;

-- name: leave_apps
-- Removes the account's permissions on the team's apps.
DELETE FROM collaborators WHERE account_id = %(account_id)s AND app_id IN (SELECT id FROM apps WHERE team_id = %(team_id)s);

-- name: members
SELECT account_id, email, role, team_members.created_at, team_members.updated_at
  FROM team_members JOIN accounts ON accounts.id = account_id
 WHERE team_id = %(team_id)s ORDER BY email;
