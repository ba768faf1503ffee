-- expect: 3: the function current_time()
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT CHECK (v > CURRENT_TIME));
