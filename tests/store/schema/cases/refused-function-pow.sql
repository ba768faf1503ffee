-- expect: 6: the function pow() is not allowed
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = pow(2.0, 0.5) WHERE id = :id;
