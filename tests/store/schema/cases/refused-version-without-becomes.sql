-- expect: 4: event e@1 needs a 'becomes', for there is e@2 on line 6
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e@1(id TEXT)
INSERT INTO t (id) VALUES (:id);
-- event e@2(id TEXT)
INSERT INTO t (id) VALUES (:id);
