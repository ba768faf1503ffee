-- expect: 2: the store line must read
-- store test version 1 beta
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
