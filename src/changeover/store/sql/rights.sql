-- name: standing
-- The relation of an account to an app: owner, collaborator, member of its team.
SELECT apps.owner_id = %(caller)s AS is_owner, apps.team_id IS NOT NULL AS is_of_team, apps.is_locked,
       team_members.role, collaborators.id IS NOT NULL AS is_collaborator,
       coalesce(collaborators.permissions, '{}') AS permissions
  FROM apps
  LEFT JOIN team_members ON team_members.team_id = apps.team_id AND team_members.account_id = %(caller)s
  LEFT JOIN collaborators ON collaborators.app_id = apps.id AND collaborators.account_id = %(caller)s
 WHERE apps.id = %(id)s;

-- name: bearer
-- The account and the authorization of a valid token.
SELECT accounts.id, accounts.email, accounts.is_operator, accounts.created_at, accounts.updated_at,
       authorizations.id AS authorization_id, authorizations.scope AS scopes, authorizations.expires_at
  FROM authorizations JOIN accounts ON accounts.id = authorizations.account_id
 WHERE token_hash = %(token_hash)s AND (expires_at IS NULL OR expires_at > now());

-- name: expired
-- The account of an expired token.
SELECT accounts.email, authorizations.expires_at
  FROM authorizations JOIN accounts ON accounts.id = authorizations.account_id
 WHERE token_hash = %(token_hash)s AND expires_at <= now();
