-- expect: 7: a section inside the statement of line 5
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
DELETE FROM t WHERE id = :id

-- event f(id TEXT)
SELECT 1;
