-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(a TEXT, b INTEGER, c REAL, d BOOLEAN, e JSON, f BLOB, g TEXT?, h INTEGER?, i REAL?, j BOOLEAN?, k JSON?, l BLOB?)
INSERT INTO t (id, v) VALUES (:a || :b || :c || :d || :e || :f || :g, coalesce(:h, :i, :j, :k, :l));
