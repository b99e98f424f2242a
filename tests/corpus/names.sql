-- Names that must be quoted: quotes, newlines, 63 bytes, keywords, blanks, other scripts, and what looks like a pattern or an option.
CREATE SCHEMA "na""me's";
SET search_path = "na""me's", pg_catalog;
CREATE TABLE "table ""with"" 'quotes'" ("col""umn" int PRIMARY KEY, "new
line" text, "select" int, "ä ö ü" text, "%s %(x)s {} $1" text);
INSERT INTO "table ""with"" 'quotes'" VALUES (1, 'x', 2, 'ä', '%s'), (2, E'\n', NULL, '', '{}');
CREATE TABLE "new
line" ("id" int PRIMARY KEY);
INSERT INTO "new
line" VALUES (1);
CREATE TABLE "a23456789012345678901234567890123456789012345678901234567890123" ("b23456789012345678901234567890123456789012345678901234567890123" int PRIMARY KEY);
INSERT INTO "a23456789012345678901234567890123456789012345678901234567890123" VALUES (1), (2);
CREATE TABLE "--option" ("--" int);
INSERT INTO "--option" VALUES (1);
CREATE TABLE "pat*tern?.$name" (id serial, "UPPER" text);
INSERT INTO "pat*tern?.$name" ("UPPER") VALUES ('x');
CREATE TABLE "таблица 表" ("列" text);
INSERT INTO "таблица 表" VALUES ('значение');
CREATE TABLE "user" ("order" int, "table" text);
INSERT INTO "user" VALUES (1, 'x');
CREATE INDEX "in""dex; DROP TABLE x" ON "user" ("order");
CREATE TYPE "ty""pe" AS ENUM ('la"bel', 'la''bel');
CREATE TABLE "t" (t "ty""pe");
INSERT INTO "t" VALUES ('la"bel'), ('la''bel');
CREATE VIEW "vi""ew" AS SELECT "new
line" FROM "table ""with"" 'quotes'";
CREATE FUNCTION "fun""ction"("ar""g" int) RETURNS int LANGUAGE sql AS 'SELECT $1';
COMMENT ON TABLE "user" IS 'It''s "quoted"
-- Name: looks like a header; Type: TABLE; Schema: public; Owner: nobody
\restrict and \. and $$';
