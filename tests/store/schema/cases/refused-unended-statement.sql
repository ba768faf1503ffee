-- expect: 3: not ended by ';'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL)
