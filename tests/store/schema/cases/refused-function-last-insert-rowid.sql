-- expect: 6: the function last_insert_rowid() is not allowed
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = last_insert_rowid() WHERE id = :id;
