-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
WITH n AS (SELECT id FROM t), m(i) AS (VALUES (1), (2)) INSERT INTO t (id, v) SELECT id || 'x', i FROM n, m;
WITH n AS (SELECT 1) SELECT count(*) FROM n;
