-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE node (id TEXT PRIMARY KEY NOT NULL, t TEXT REFERENCES t (id), parent TEXT REFERENCES node (id));
-- event e(id TEXT)
REPLACE INTO t (id) VALUES (:id);
