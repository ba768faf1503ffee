-- expect: 6: near "WERE"
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
UPDATE t SET v = 1
  WERE id = :id;
