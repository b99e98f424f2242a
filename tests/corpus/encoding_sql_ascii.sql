-- No encoding at all: UTF-8, LATIN1 and what is neither, side by side. In a database of its own.
CREATE TABLE mixed (id int PRIMARY KEY, t text, v varchar(20));
INSERT INTO mixed VALUES (1, 'plain', 'x'), (2, E'utf8 \xc3\xa4', E'\xc3\xa4'), (3, E'latin \xe4', E'\xe4'), (4, E'neither \xff\xfe\x80', '');
CREATE TABLE mixed_key (k text PRIMARY KEY, n int);
INSERT INTO mixed_key VALUES (E'\xe4', 1), (E'\xc3\xa4', 2);
