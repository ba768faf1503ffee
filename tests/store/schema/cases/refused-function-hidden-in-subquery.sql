-- expect: 6: the function random() is not allowed
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = (SELECT max(id) FROM (SELECT random() AS id)) WHERE id = :id;
