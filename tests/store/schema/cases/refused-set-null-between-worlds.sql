-- expect: 8: table 'c' is written by
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES t (id) ON DELETE SET NULL);
-- event a(id TEXT) client-only
DELETE FROM t WHERE id = :id;
-- event b(id TEXT)
INSERT INTO c (id) VALUES (:id);
