-- expect: 8: 'now' reads the clock
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
SELECT 1;
UPDATE t SET v =
  date('now');
