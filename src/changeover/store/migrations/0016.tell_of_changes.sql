-- depends: 0011.state_schema
-- Who waits for a change is woken by it (store/changes.py). Only what somebody waits for is told, and nothing that a
-- keeper writes down about its own work: it would wake itself. A former version neither listens nor is disturbed.

CREATE FUNCTION state.tell_of_change() RETURNS trigger LANGUAGE plpgsql AS $tell$
BEGIN
    PERFORM pg_notify('changeover_changes', TG_TABLE_NAME);
    RETURN NULL;
END
$tell$;

CREATE TRIGGER tell_of_change AFTER INSERT OR DELETE OR UPDATE OF is_wanted ON state.servers
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT OR DELETE ON state.poolers
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT OR DELETE OR UPDATE OF name, is_internally_routed ON state.apps
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT ON state.slugs
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT OR DELETE OR UPDATE OF port ON state.dynos
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT OR UPDATE OF next_at ON state.scheduled_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT OR UPDATE ON state.schedulers
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT OR UPDATE OF next_at ON state.transfer_schedules
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER INSERT OR UPDATE OF finished_at ON state.transfers
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
CREATE TRIGGER tell_of_change AFTER UPDATE OF finished_at ON state.runs
    FOR EACH STATEMENT EXECUTE FUNCTION state.tell_of_change();
