-- expect: 6: ':title' is no argument of event e@1
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = :title WHERE id = :id;
