-- expect: 6: never ends
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
UPDATE t SET v =
'never ends;
