-- expect: 3: ROLLBACK on a conflict is refused
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT NOT NULL ON CONFLICT ROLLBACK);
