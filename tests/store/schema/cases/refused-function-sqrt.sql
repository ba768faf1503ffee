-- expect: 6: the function sqrt() is not allowed
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = sqrt(2.0) WHERE id = :id;
