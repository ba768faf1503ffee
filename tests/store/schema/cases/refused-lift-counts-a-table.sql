-- expect: 5: may not read table 't'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event f(n INTEGER)
-- event e(id TEXT) becomes f: SELECT count(*) AS n FROM t
