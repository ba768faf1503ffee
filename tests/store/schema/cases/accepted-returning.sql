-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
DELETE FROM t WHERE id = :id RETURNING v;
