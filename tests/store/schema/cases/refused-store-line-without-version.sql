-- expect: 2: the store line must read
-- store test
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
