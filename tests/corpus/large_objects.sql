-- Large objects: empty, longer than a page, with a hole, with a number that is high, and referred to.
CREATE SCHEMA large_objects;
SELECT lo_from_bytea(100001, ''), lo_from_bytea(100002, decode(repeat('00ff', 5000), 'hex')), lo_from_bytea(4294967290, '\x01');
SELECT lo_from_bytea(100003, '\x01'), lo_put(100003, 100000, '\x02');
CREATE TABLE large_objects.referring (id int PRIMARY KEY, o oid);
INSERT INTO large_objects.referring SELECT g, lo_from_bytea(200000 + g, convert_to('object ' || g, 'UTF8')) FROM generate_series(1, 300) g;
COMMENT ON LARGE OBJECT 100002 IS 'it''s large';
