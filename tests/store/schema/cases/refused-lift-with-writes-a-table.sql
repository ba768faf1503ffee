-- expect: 6: a lift is one SELECT, it may not write table 't'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event f(id TEXT)
-- event e(id TEXT) becomes f:
WITH x AS (SELECT 1) DELETE FROM t;
