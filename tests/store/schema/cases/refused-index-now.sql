-- expect: 4: 'now' reads the clock
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE INDEX i ON t (v) WHERE v > date('now');
