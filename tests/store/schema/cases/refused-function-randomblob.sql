-- expect: 6: the function randomblob() is not allowed
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = hex(randomblob(8)) WHERE id = :id;
