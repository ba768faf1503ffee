-- expect: 3: table 't' has no primary key
-- store test version 1
CREATE TABLE t (id TEXT NOT NULL);
