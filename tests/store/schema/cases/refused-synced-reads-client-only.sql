-- expect: 6: the synced event a reads table 'u', which the client-only event b writes (line 8)
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event a(id TEXT)
INSERT INTO t (id) SELECT id FROM u;
-- event b(id TEXT) client-only
INSERT INTO u (id) VALUES (:id);
