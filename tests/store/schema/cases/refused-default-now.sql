-- expect: 3: 'now' reads the clock
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT DEFAULT (date('now')));
