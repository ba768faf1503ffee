-- expect: 6: 'now' reads the clock
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = datetime('NOW') WHERE id = :id;
