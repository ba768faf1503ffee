-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
INSERT INTO t (id, v) VALUES (:id, 1) ON CONFLICT (id) DO UPDATE SET v = t.v + excluded.v WHERE t.v < 9;
