-- A database of one byte a letter; its bytes change on the way to UTF-8, its words don't.
CREATE TABLE letters (id int PRIMARY KEY, t text, c char(3), n name, j jsonb, a text[]);
INSERT INTO letters SELECT g, chr(g) || ' letter', chr(g), chr(g), jsonb_build_object(chr(g), g), ARRAY[chr(g)] FROM generate_series(161, 255) g;
CREATE TABLE "größe" ("länge" int PRIMARY KEY);
INSERT INTO "größe" VALUES (1);
CREATE TABLE keyed (k text PRIMARY KEY);
INSERT INTO keyed SELECT chr(g) FROM generate_series(161, 255) g;
