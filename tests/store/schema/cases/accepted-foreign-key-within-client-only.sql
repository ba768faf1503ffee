-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES t (id) ON DELETE CASCADE);
-- event a(id TEXT) client-only
INSERT INTO t (id) VALUES (:id);
DELETE FROM t;
-- event b(id TEXT) client-only
INSERT INTO c (id) VALUES (:id);
