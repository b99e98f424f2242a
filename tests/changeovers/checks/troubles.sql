-- Everything that can be wrong with a database. OWNER and OTHER are roles, THIS is the database.
CREATE TABLE customers (id bigint PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer bigint, total numeric, price money);
INSERT INTO orders VALUES (1, 7, 3, 5);
ALTER TABLE orders ADD CONSTRAINT orders_customer_fkey FOREIGN KEY (customer) REFERENCES customers NOT VALID;
ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;
CREATE UNLOGGED TABLE scratch (a int);
CREATE TABLE small (id serial);
SELECT setval('small_id_seq', 2147000000);
CREATE INDEX twice ON orders (customer);
UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'twice'::regclass;
CREATE MATERIALIZED VIEW never_filled AS SELECT 1 AS one WITH NO DATA;
CREATE TABLE rates (rate numeric);
CREATE FUNCTION with_tax(amount numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS
    $$BEGIN RETURN amount * (SELECT max(rate) FROM rates); END$$;
CREATE FUNCTION safe(amount numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE SET search_path = public AS
    $$BEGIN RETURN amount * (SELECT max(rate) FROM rates); END$$;
CREATE INDEX orders_taxed ON rates (with_tax(rate));
CREATE INDEX orders_safe ON rates (safe(rate));
CREATE FUNCTION in_c(float8) RETURNS float8 LANGUAGE internal STRICT AS 'dsin';
CREATE EXTENSION postgres_fdw;
CREATE SERVER branch FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'branch.example.com');
CREATE USER MAPPING FOR "OWNER" SERVER branch OPTIONS (user 'shop', password 'open sesame');
ALTER DATABASE "THIS" SET work_mem = '5MB';
CREATE TABLE "Case" (a int);
CREATE TABLE "case" (a int);
CREATE TABLE "it's
two lines" ("a ""quoted"" one" int);
CREATE ROLE "OTHER" LOGIN BYPASSRLS PASSWORD 'md5c3ef4ebcc03a1b5ef73c0bda3da4ea15';
GRANT SELECT ON orders TO "OTHER";
CREATE ROLE "OTHER_root" SUPERUSER;
GRANT SELECT ON orders TO "OTHER_root";
CREATE PUBLICATION to_the_branch FOR TABLE orders;
SET allow_in_place_tablespaces = on;
CREATE TABLESPACE "OWNER_disk" LOCATION '';
CREATE TABLE elsewhere (a int) TABLESPACE "OWNER_disk";
CREATE FUNCTION on_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN NULL; END';
CREATE EVENT TRIGGER watch_out ON ddl_command_end EXECUTE FUNCTION on_ddl();
