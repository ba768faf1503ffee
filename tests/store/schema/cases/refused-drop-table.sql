-- expect: 4: only CREATE TABLE and CREATE INDEX
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
DROP TABLE t;
