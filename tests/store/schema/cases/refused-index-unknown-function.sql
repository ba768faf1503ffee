-- expect: 4: soundex
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE INDEX i ON t (soundex(v));
