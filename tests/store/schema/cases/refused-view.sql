-- expect: 4: views are refused
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE VIEW w AS SELECT id FROM t;
