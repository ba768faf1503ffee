-- expect: 6: 'utc' reads the time zone
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = datetime(:time_ms / 1000, 'unixepoch', 'utc') WHERE id = :id;
