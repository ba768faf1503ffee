-- expect: 4: only CREATE TABLE and CREATE INDEX
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
INSERT INTO t VALUES ('a', 1);
