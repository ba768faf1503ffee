-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT) client-only
INSERT INTO t (id) VALUES (:id);
-- event f()
