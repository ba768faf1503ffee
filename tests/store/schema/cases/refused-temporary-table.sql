-- expect: 3: temporary tables
-- store test version 1
CREATE TEMP TABLE t (id TEXT PRIMARY KEY NOT NULL);
