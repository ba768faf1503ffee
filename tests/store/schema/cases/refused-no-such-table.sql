-- expect: 6: no such table: u
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
INSERT INTO u (id) VALUES (:id);
