-- expect: 6: no such table: dbstat
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
SELECT count(*) FROM dbstat;
