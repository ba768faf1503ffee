-- expect: 5: may not read table 't'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event f(id TEXT)
-- event e(id TEXT) becomes f: SELECT id FROM t
