-- expect: 3: refuse() belongs into materializers
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT CHECK (refuse('no')));
