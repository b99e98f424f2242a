-- Xml, where both servers are built with libxml: documents, pieces of them, what is empty; with and without a key.
CREATE SCHEMA xml;
SET search_path = xml, pg_catalog;
CREATE TABLE documents (id int PRIMARY KEY, x xml, xs xml[]);
INSERT INTO documents VALUES (1, '<a b="1">text &amp; <c/><!-- x --></a>', '{}'), (2, 'just text', ARRAY['<a/>'::xml, NULL]),
 (3, '<?xml version="1.0"?><r/>', NULL), (4, '', NULL), (5, NULL, NULL);
CREATE TABLE keyless (x xml);
INSERT INTO keyless VALUES ('<a/>'), ('<a/>'), (NULL);
CREATE VIEW shown AS SELECT xmlelement(name e, xmlattributes(id AS i), x) AS e FROM documents;
