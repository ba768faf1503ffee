-- expect: 8: table 'c' is written by the synced event a (line 6) and by the client-only event b (line 8)
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES t (id) ON DELETE CASCADE);
-- event a(id TEXT)
DELETE FROM t WHERE id = :id;
-- event b(id TEXT) client-only
INSERT INTO c (id) VALUES (:id);
