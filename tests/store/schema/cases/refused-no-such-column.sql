-- expect: 5: no such column: w
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
UPDATE t SET w = 1;
