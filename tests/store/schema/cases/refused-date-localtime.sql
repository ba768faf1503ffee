-- expect: 6: 'localtime' reads the time zone
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
UPDATE t SET v = datetime(:time_ms / 1000, 'unixepoch', 'localtime') WHERE id = :id;
