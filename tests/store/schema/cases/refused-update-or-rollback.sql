-- expect: 6: ROLLBACK on a conflict is refused
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE OR ROLLBACK t SET id = :id;
