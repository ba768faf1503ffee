-- expect: 6: a lift is one SELECT, found 'DELETE'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event f(id TEXT)
-- event e(id TEXT) becomes f:
DELETE FROM t;
