-- expect: 2: the store line must read
-- store test version 4294967296
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
