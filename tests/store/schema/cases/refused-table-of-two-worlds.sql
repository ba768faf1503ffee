-- expect: 7: table 't' is written by the synced event a (line 5) and by the client-only event b (line 7)
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event a(id TEXT)
INSERT INTO t (id) VALUES (:id);
-- event b(id TEXT) client-only
DELETE FROM t WHERE id = :id;
