-- What bench/copy.py moves: wide text and jsonb, one dominant table, 200 small ones, secondary indexes. :scale 1 is 2.5 GB.
CREATE TABLE events (id bigint PRIMARY KEY, customer int NOT NULL, kind text NOT NULL, at timestamptz NOT NULL, body text, extra jsonb);
INSERT INTO events
SELECT i, i % 50000, 'kind ' || i % 20, timestamptz '2026-01-01' + i * interval '1 s',
       md5(i::text) || md5((i + 1)::text) || ' said ' || md5((i + 2)::text) || md5((i + 3)::text) || md5((i + 4)::text),
       jsonb_build_object('id', i, 'name', md5(i::text), 'tags', jsonb_build_array('a', i % 10, 'b'),
                          'address', jsonb_build_object('street', md5((i + 5)::text), 'number', i % 300), 'is_new', i % 3 = 0)
  FROM generate_series(1, (2500000 * :scale)::int) i;
CREATE INDEX events_customer ON events (customer, at);
CREATE INDEX events_kind ON events (kind, id);

CREATE TABLE customers (id int PRIMARY KEY, mail text UNIQUE, about jsonb, notes text, balance numeric(12, 2), seen timestamptz);
INSERT INTO customers
SELECT i, 'm' || i || '@example.com', jsonb_build_object('n', md5(i::text), 'more', repeat(md5((i + 9)::text), 4)),
       repeat(md5((i * 7)::text), 20), i * 1.25, timestamptz '2025-01-01' + i * interval '1 min'
  FROM generate_series(1, (370000 * :scale)::int) i;
CREATE INDEX customers_seen ON customers (seen);

CREATE TABLE documents (id int PRIMARY KEY, customer int, title text, body text);
INSERT INTO documents
SELECT i, i % 1000, 'title ' || md5(i::text), (SELECT string_agg(md5((i * 40 + j)::text), ' ') FROM generate_series(1, 40) j)
  FROM generate_series(1, (340000 * :scale)::int) i;
CREATE INDEX documents_customer ON documents (customer);

SELECT format('CREATE TABLE small_%s (id int PRIMARY KEY, at timestamptz, name text, extra jsonb);
INSERT INTO small_%1$s SELECT i, now(), repeat(md5(i::text), 6), jsonb_build_object(''i'', i, ''m'', md5(i::text))
  FROM generate_series(1, %s) i;
CREATE INDEX ON small_%1$s (name)', n, (5000 * :scale)::int)
  FROM generate_series(1, 200) n \gexec
ALTER TABLE documents ADD FOREIGN KEY (customer) REFERENCES customers NOT VALID;
VACUUM (FREEZE, ANALYZE);
