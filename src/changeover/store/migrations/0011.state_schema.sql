-- depends: 0003.scheduler 0004.poolers 0005.changeovers 0007.migrations 0008.transfers 0009.adopted 0010.probing
-- Our tables move into the schema `state`, so that they can gain columns while the previous version runs.
--
-- That version reads every table with SELECT * into classes with a fixed number of fields. It connects with PostgreSQL's
-- default search_path and finds, in `public`, an updatable view of each table with exactly the columns it knows.
-- This version connects with search_path = state, public and names its columns. See docs/adr/0015.

CREATE SCHEMA state;

DO $move$
DECLARE
    moved text;
BEGIN
    FOREACH moved IN ARRAY ARRAY[
        'accounts', 'authorizations', 'teams', 'team_members', 'spaces', 'apps', 'collaborators', 'config_vars', 'slugs',
        'releases', 'formation', 'dynos', 'addons', 'attachments', 'servers', 'databases', 'credentials', 'poolers',
        'schedulers', 'scheduled_jobs', 'runs', 'run_journal', 'changeovers', 'old_sides', 'refusals', 'migrations',
        'verifications', 'transfers', 'transfer_log', 'transfer_numbers', 'transfer_schedules']
    LOOP
        EXECUTE format('ALTER TABLE public.%I SET SCHEMA state', moved);
        EXECUTE format('CREATE VIEW public.%I AS SELECT * FROM state.%I', moved, moved);
    END LOOP;
    FOREACH moved IN ARRAY ARRAY['apps_seen', 'addons_seen', 'attachments_seen', 'spaces_seen', 'databases_seen']
    LOOP
        EXECUTE format('CREATE VIEW state.%I AS %s', moved, pg_get_viewdef(format('public.%I', moved)::regclass));
    END LOOP;
END
$move$;
