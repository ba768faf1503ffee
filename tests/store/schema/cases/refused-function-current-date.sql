-- expect: 6: the function current_date() is not allowed
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = CURRENT_DATE WHERE id = :id;
