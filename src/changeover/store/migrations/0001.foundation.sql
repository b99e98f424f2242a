-- Accounts, apps, add-ons and their databases, spaces, and the durable run.
-- Everything that a user may type a secret into is encrypted before it comes here (bytea); tokens come as hashes.

CREATE TABLE accounts (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL,
    is_operator boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX accounts_email ON accounts (lower(email));
CREATE UNIQUE INDEX accounts_operator ON accounts (is_operator) WHERE is_operator;

CREATE TABLE authorizations (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    description text NOT NULL,
    scope text[] NOT NULL,
    token_hash bytea NOT NULL UNIQUE,
    token_hint text NOT NULL,
    is_operator boolean NOT NULL DEFAULT false,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX authorizations_operator ON authorizations (is_operator) WHERE is_operator;

CREATE TABLE teams (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE team_members (
    team_id uuid NOT NULL REFERENCES teams ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('admin', 'member', 'viewer', 'collaborator')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (team_id, account_id)
);

CREATE TABLE spaces (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    team_id uuid NOT NULL REFERENCES teams,
    region text NOT NULL,
    is_shield boolean NOT NULL DEFAULT false,
    cidr text NOT NULL,
    data_cidr text NOT NULL,
    address text NOT NULL UNIQUE,
    state text NOT NULL CHECK (state IN ('allocating', 'allocated', 'deleting')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN spaces.address IS 'Where the servers of this space listen: an address of loopback on one host';

CREATE TABLE apps (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    owner_id uuid NOT NULL REFERENCES accounts,
    team_id uuid REFERENCES teams,
    space_id uuid REFERENCES spaces,
    region text NOT NULL,
    stack text NOT NULL,
    is_in_maintenance boolean NOT NULL DEFAULT false,
    is_locked boolean NOT NULL DEFAULT false,
    is_internally_routed boolean NOT NULL DEFAULT false,
    released_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE collaborators (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    account_id uuid NOT NULL REFERENCES accounts ON DELETE CASCADE,
    permissions text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app_id, account_id)
);

CREATE TABLE config_vars (
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    name text NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (app_id, name)
);

CREATE TABLE releases (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    version integer NOT NULL,
    description text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed', 'expired')),
    account_id uuid NOT NULL REFERENCES accounts,
    config bytea NOT NULL,
    addon_plan_names text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app_id, version)
);
COMMENT ON COLUMN releases.config IS 'The app''s own config vars at that moment, encrypted; what rollback puts back';

CREATE TABLE addons (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    app_id uuid NOT NULL REFERENCES apps,
    service text NOT NULL,
    plan text NOT NULL,
    state text NOT NULL CHECK (state IN ('provisioning', 'provisioned', 'deprovisioning', 'deprovisioned')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE attachments (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    ordinal bigint GENERATED ALWAYS AS IDENTITY,
    app_id uuid NOT NULL REFERENCES apps ON DELETE CASCADE,
    addon_id uuid NOT NULL REFERENCES addons ON DELETE CASCADE,
    name text NOT NULL,
    namespace text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (app_id, name)
);
CREATE INDEX attachments_addon ON attachments (addon_id);

CREATE TABLE servers (
    name text PRIMARY KEY,
    host text NOT NULL,
    engine text NOT NULL,
    address text NOT NULL,
    port integer NOT NULL,
    bin_directory text NOT NULL,
    data_directory text NOT NULL,
    socket_directory text NOT NULL,
    size jsonb NOT NULL,
    is_shared boolean NOT NULL,
    is_wanted boolean NOT NULL DEFAULT false,
    is_retired boolean NOT NULL DEFAULT false,
    trouble text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (host, port)
);
COMMENT ON COLUMN servers.is_wanted IS 'True from the moment that it should run: who keeps servers alive starts only these';
COMMENT ON COLUMN servers.is_retired IS 'Its last database has gone: it takes no other and is being removed';
COMMENT ON COLUMN servers.trouble IS 'Why it does not run although it should, as last seen by who keeps it alive';

CREATE TABLE databases (
    addon_id uuid PRIMARY KEY REFERENCES addons ON DELETE CASCADE,
    server_name text NOT NULL REFERENCES servers,
    database_name text NOT NULL,
    leader_id uuid REFERENCES databases,
    forked_from text,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX databases_leader ON databases (leader_id);
COMMENT ON COLUMN databases.leader_id IS 'The database that this one follows; null once it stands alone';
COMMENT ON COLUMN databases.forked_from IS 'The parent''s URL without user and password, once a follower was unfollowed';

CREATE TABLE credentials (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    addon_id uuid NOT NULL REFERENCES addons ON DELETE CASCADE,
    name text NOT NULL,
    user_name text NOT NULL,
    password bytea NOT NULL,
    state text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (addon_id, name)
);

CREATE TABLE runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    subject text NOT NULL,
    app text,
    host text NOT NULL,
    input jsonb NOT NULL,
    status text NOT NULL CHECK (status IN ('running', 'waiting', 'undoing', 'done', 'failed')),
    step text NOT NULL,
    step_began_at timestamptz NOT NULL DEFAULT now(),
    waits_because text,
    percent integer,
    error jsonb,
    is_cancelled boolean NOT NULL DEFAULT false,
    epoch bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    CHECK ((finished_at IS NOT NULL) = (status IN ('done', 'failed')))
);
CREATE UNIQUE INDEX runs_one_at_a_time ON runs (subject) WHERE finished_at IS NULL;

CREATE TABLE run_journal (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    epoch bigint NOT NULL,
    step text NOT NULL,
    event text NOT NULL,
    detail text
);
CREATE INDEX run_journal_run ON run_journal (run_id, id);

CREATE VIEW apps_seen AS
SELECT apps.*, accounts.email AS owner_email, teams.name AS team_name,
       spaces.name AS space_name, spaces.is_shield AS space_is_shield
  FROM apps
  JOIN accounts ON accounts.id = apps.owner_id
  LEFT JOIN teams ON teams.id = apps.team_id
  LEFT JOIN spaces ON spaces.id = apps.space_id;

CREATE VIEW addons_seen AS
SELECT addons.*, apps.name AS app_name, apps.space_id, apps.region
  FROM addons JOIN apps ON apps.id = addons.app_id;

CREATE VIEW attachments_seen AS
SELECT attachments.*, apps.name AS app_name, addons.name AS addon_name, addons.service, addons.plan,
       addons.app_id AS addon_app_id, owners.name AS addon_app_name
  FROM attachments
  JOIN apps ON apps.id = attachments.app_id
  JOIN addons ON addons.id = attachments.addon_id
  JOIN apps AS owners ON owners.id = addons.app_id;

CREATE VIEW spaces_seen AS
SELECT spaces.*, teams.name AS team_name FROM spaces JOIN teams ON teams.id = spaces.team_id;

CREATE VIEW databases_seen AS
SELECT databases.*, addons.name AS addon_name, addons.app_id, addons.plan, addons.state, addons.created_at AS addon_created_at,
       servers.address, servers.port, servers.is_shared, servers.trouble
  FROM databases
  JOIN addons ON addons.id = databases.addon_id
  JOIN servers ON servers.name = databases.server_name;
