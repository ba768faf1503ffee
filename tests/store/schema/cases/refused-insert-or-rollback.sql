-- expect: 6: ROLLBACK on a conflict is refused
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
INSERT OR ROLLBACK INTO t (id) VALUES (:id);
