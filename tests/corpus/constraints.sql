-- Constraints in every state, circles of them, triggers and rules that must neither fire nor stay behind, policies.
CREATE SCHEMA constraints;
SET search_path = constraints, pg_catalog;
CREATE TABLE a (id int PRIMARY KEY, b int, CONSTRAINT a_positive CHECK (id > 0));
CREATE TABLE b (id int PRIMARY KEY, a int NOT NULL REFERENCES a DEFERRABLE INITIALLY DEFERRED);
ALTER TABLE a ADD CONSTRAINT a_b FOREIGN KEY (b) REFERENCES b ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE;
INSERT INTO a VALUES (1, NULL), (2, NULL);
INSERT INTO b VALUES (1, 1), (2, 2);
UPDATE a SET b = 3 - id;
CREATE TABLE tree (id int PRIMARY KEY, parent int REFERENCES tree MATCH FULL, UNIQUE (parent, id) DEFERRABLE);
INSERT INTO tree VALUES (1, 2), (2, 1), (3, NULL);
CREATE TABLE old_sins (id int, a int, v text);
INSERT INTO old_sins VALUES (-1, 99, NULL);
ALTER TABLE old_sins ADD CONSTRAINT positive CHECK (id > 0) NOT VALID, ADD CONSTRAINT to_a FOREIGN KEY (a) REFERENCES a NOT VALID;
CREATE TABLE bookings (room int, during tsrange, EXCLUDE USING gist (during WITH &&) WHERE (room = 1), EXCLUDE USING btree (room WITH =) DEFERRABLE);
INSERT INTO bookings VALUES (1, '[2020-01-01,2020-01-02)'), (2, '[2020-01-01,2020-01-02)');
CREATE DOMAIN even AS int CONSTRAINT is_even CHECK (VALUE % 2 = 0);
ALTER DOMAIN even ADD CONSTRAINT not_valid CHECK (VALUE < 1000) NOT VALID;
CREATE TABLE evens (e even NOT NULL DEFAULT 2);
INSERT INTO evens VALUES (2), (4);

CREATE TABLE audited (id int PRIMARY KEY, v text, changed int DEFAULT 0);
CREATE TABLE audit (what text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO constraints.audit VALUES (tg_op || coalesce(new.v, '')); new.changed := new.changed + 1; RETURN new;
END $$;
CREATE TRIGGER plain BEFORE INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER always BEFORE INSERT ON audited FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TRIGGER replica BEFORE INSERT ON audited FOR EACH ROW WHEN (new.id > 0) EXECUTE FUNCTION audit();
CREATE TRIGGER off BEFORE UPDATE OF v ON audited FOR EACH ROW EXECUTE FUNCTION audit();
ALTER TABLE audited ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER replica, DISABLE TRIGGER off;
INSERT INTO audited VALUES (1, 'x'), (2, 'y');
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON audited DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit();
CREATE TABLE ruled (id int);
INSERT INTO ruled VALUES (1), (2);
CREATE RULE twice AS ON INSERT TO ruled DO ALSO INSERT INTO constraints.audit VALUES ('rule');
CREATE RULE never AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE RULE sleeping AS ON UPDATE TO ruled DO INSTEAD NOTHING;
ALTER TABLE ruled DISABLE RULE sleeping;

CREATE TABLE hidden (id int PRIMARY KEY, tenant text);
INSERT INTO hidden SELECT g, CASE g % 2 WHEN 0 THEN 'even' ELSE 'odd' END FROM generate_series(1, 10) g;
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants ON hidden AS RESTRICTIVE FOR SELECT TO PUBLIC USING (tenant = current_setting('app.tenant', true));
CREATE POLICY all_of_it ON hidden USING (true) WITH CHECK (id < 1000);
