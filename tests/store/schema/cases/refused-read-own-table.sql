-- expect: 6: no such table
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
SELECT seq FROM leaderd_journal;
