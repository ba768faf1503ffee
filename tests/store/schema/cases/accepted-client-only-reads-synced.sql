-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event a(id TEXT)
INSERT INTO t (id) VALUES (:id);
-- event b(id TEXT) client-only
INSERT INTO u (id, v) SELECT id, v FROM t WHERE id = :id;
