-- depends: 0011.state_schema
-- Runs belong to an app and an account by id: a name can be taken over, an id cannot. And a run that waits says until when.

ALTER TABLE runs ADD COLUMN app_id uuid;
ALTER TABLE runs ADD COLUMN account_id uuid;
ALTER TABLE runs ADD COLUMN wakes_at timestamptz;
CREATE INDEX runs_app ON runs (app_id);
COMMENT ON COLUMN runs.app_id IS 'Stays when the app is renamed or destroyed; null: no app. `app` is the name at the time, for display';
COMMENT ON COLUMN runs.account_id IS 'The account that began it, or whose app it works for';
COMMENT ON COLUMN runs.wakes_at IS 'Not to be driven before this time; null: at once';

-- Runs that are there already: by the ids that they carry, never by a name that another app may have taken since.
UPDATE runs SET account_id = (input->>'account_id')::uuid WHERE input ? 'account_id';
UPDATE runs SET app_id = (input->>'app_id')::uuid WHERE input ? 'app_id';
UPDATE runs SET account_id = coalesce(runs.account_id, releases.account_id), app_id = coalesce(runs.app_id, releases.app_id)
  FROM releases WHERE releases.id::text = runs.input->>'release_id';
UPDATE runs SET app_id = addons.app_id
  FROM addons WHERE runs.app_id IS NULL AND addons.id::text IN (runs.input->>'addon_id', runs.input->>'source_id');
UPDATE runs SET app_id = transfers.app_id
  FROM transfers WHERE runs.app_id IS NULL AND transfers.id::text = runs.input->>'transfer';
-- The app that has the name now had it then, if nothing of it was changed since.
UPDATE runs SET app_id = apps.id
  FROM apps WHERE runs.app_id IS NULL AND runs.app = apps.name AND apps.updated_at <= runs.created_at;
UPDATE runs SET account_id = apps.owner_id FROM apps WHERE runs.account_id IS NULL AND apps.id = runs.app_id;

-- The previous version adds runs without these columns. At that moment the name is the app's.
CREATE FUNCTION fill_owner_of_run() RETURNS trigger LANGUAGE plpgsql SET search_path = state AS $fill$
BEGIN
    NEW.app_id := coalesce(NEW.app_id, (SELECT id FROM apps WHERE name = NEW.app));
    NEW.account_id := coalesce(NEW.account_id, (NEW.input->>'account_id')::uuid,
                               (SELECT owner_id FROM apps WHERE id = NEW.app_id));
    RETURN NEW;
END
$fill$;
CREATE TRIGGER runs_fill_owner BEFORE INSERT ON runs
    FOR EACH ROW WHEN (NEW.app_id IS NULL OR NEW.account_id IS NULL) EXECUTE FUNCTION fill_owner_of_run();
